"""A controller that comes back with a shorter memory (`MinJobAge`): the bridge looks in time all the same."""

import time
from pathlib import Path

from bridge.jobs.submission.recovery import WATCH_SECONDS
from tests.support.bridge_process import running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until


def test_how_a_job_ended_is_seen_though_no_client_asks_meanwhile(slurm: PrivateSlurm, shared_folder: Path) -> None:
    program = shared_folder / "extractor.py"
    program.write_text("print('ran')\n")
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], BRIDGE_WORKERS="1")
    with running_bridge(shared_folder, environment) as bridge:
        wait_until(lambda: bridge.get("/ready").status == 200, "the bridge is ready, and knows the long memory")
        conf = slurm.conf_path.read_text()
        assert "MinJobAge=3600" in conf
        slurm.conf_path.write_text(conf.replace("MinJobAge=3600", "MinJobAge=2"))
        slurm.restart_controller()
        restarted_at = time.monotonic()
        wait_until(lambda: time.monotonic() > restarted_at + WATCH_SECONDS + 5, "the bridge looks seldom again", 30)
        job_id = bridge.post("/qaqc/run", QAQC_BODY).body["job_id"]
        wait_until(lambda: not slurm.run("squeue", "--noheader", "--states=all"), "the controller forgets the job", 120)
        job = bridge.get(f"/jobs/{job_id}").body
    assert (job["state"], job["finished"]) == ("COMPLETED", True)
