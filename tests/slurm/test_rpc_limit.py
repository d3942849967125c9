"""A controller that limits requests (rl_enable): what is beyond the limit is refused, and nothing else suffers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.bridge_process import Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import QAQC_BODY
from tests.support.waiting import wait_until

OFFERED = 24  # at once


LIMITS = {"slurms-defaults": "rl_enable", "one-a-second": "rl_enable,rl_bucket_size=10,rl_refill_rate=1"}


@pytest.fixture(scope="module", params=LIMITS)
def slurm(shared_folder: Path, request: pytest.FixtureRequest) -> Iterator[PrivateSlurm]:
    folder = shared_folder / request.param
    folder.mkdir()
    with PrivateSlurm(folder, overrides={"SlurmctldParameters": LIMITS[request.param]}) as slurm:
        yield slurm


@pytest.fixture
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    folder = shared_folder / f"bridge-{slurm.folder.name}"
    folder.mkdir()
    with running_bridge(folder, service_environment(slurm, folder, ["/bin/true", "main.py"])) as bridge:
        wait_until(lambda: bridge.get("/ready").status == 200, "the bridge is ready")
        yield bridge


def test_submissions_beyond_the_limit_are_refused_and_none_is_unknown(bridge: Bridge, slurm: PrivateSlurm) -> None:
    with ThreadPoolExecutor(OFFERED) as clients:
        answers = list(clients.map(lambda _: bridge.post("/qaqc/run", QAQC_BODY), range(OFFERED)))
    accepted = [answer.body["job_id"] for answer in answers if answer.status == 202]
    refused = [answer for answer in answers if answer.status != 202]
    assert accepted
    assert refused
    for answer in refused:
        assert (answer.status, answer.body["type"]) == (503, "urn:tsm-slurm-bridge:overloaded")
        assert "nothing was submitted" in answer.body["detail"]
        assert answer.headers["Retry-After"]
    assert set(slurm.run("squeue", "--noheader", "--states=all", "--format=%i").split()) == set(accepted)
    assert bridge.get(f"/jobs/{accepted[0]}").status == 200
    bridge.wait_until_finished(accepted[-1])
    wait_until(lambda: bridge.post("/qaqc/run", QAQC_BODY).status == 202, "the limit has room again")
    assert "worker replaced" not in bridge.log
