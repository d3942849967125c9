"""A job_submit plugin that adds words to comments and names, on a cluster that has another use for `--extra`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.lua_plugin import slurm_with_plugin
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY

PLUGIN = """
function slurm_job_submit(job, partitions, uid)
    job.comment = "project 7: " .. (job.comment or "") .. " (checked)"
    job.name = "p7-" .. (job.name or "")
    return slurm.SUCCESS
end
"""


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    with slurm_with_plugin(shared_folder / "slurm", PLUGIN, {"SchedulerParameters": "extra_constraints"}) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    program = shared_folder / "extractor.py"
    program.write_text("print('extracted')\n")
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)])


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def test_a_job_stays_the_bridges(
    bridge: Bridge, slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]
) -> None:
    job_id = bridge.post("/qaqc/run", QAQC_BODY, key="k").body["job_id"]
    assert bridge.wait_until_finished(job_id)["state"] == "COMPLETED"
    shown = slurm.run("squeue", "--noheader", "--states=all", f"--jobs={job_id}", "--format=%j %k")
    assert shown.startswith("p7-qaqc project 7: {")
    assert bridge.get_bytes(f"/jobs/{job_id}/stdout").body == b"extracted\n"
    (shared_folder / "restarted").mkdir()
    with running_bridge(shared_folder / "restarted", environment) as other:
        for again in (bridge.post("/qaqc/run", QAQC_BODY, key="k"), other.post("/qaqc/run", QAQC_BODY, key="k")):
            assert (again.status, again.body["job_id"]) == (200, job_id)
