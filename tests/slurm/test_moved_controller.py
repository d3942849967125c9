"""A controller that answers at another place after a change of slurm.conf."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.deadline import Deadline
from bridge.slurm.client.slurm_gateway import SlurmGateway
from tests.support.ports import free_port
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import descriptor


@pytest.fixture
def gateway(slurm: PrivateSlurm) -> Iterator[SlurmGateway]:
    with running_gateway(slurm, workers=1) as gateway:
        yield gateway


def test_a_new_port_is_noticed_at_the_first_request(slurm: PrivateSlurm, gateway: SlurmGateway, tmp_path: Path) -> None:
    gateway.submit(descriptor(tmp_path), Deadline.after(20))
    gateway.queue(Deadline.after(20))
    slurm.kill_controller()
    moved = re.sub(r"SlurmctldPort=\d+", f"SlurmctldPort={free_port()}", slurm.conf_path.read_text())
    slurm.conf_path.write_text(moved)
    slurm.start_controller()
    job_id = gateway.submit(descriptor(tmp_path), Deadline.after(30))
    assert job_id in {job.job_id for job in gateway.queue(Deadline.after(30)).jobs}
