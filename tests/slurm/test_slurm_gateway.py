"""The real gateway, on a real Slurm, keeps the gateways' contract."""

import os
import signal
import time
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import SlurmRefusedError
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.gateway import Gateway
from tests.contract.gateway import GatewayContract, wait_for_state
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import descriptor
from tests.support.waiting import wait_until


class SlurmCluster:
    """See `tests.contract.gateway.Cluster`."""

    def __init__(self, slurm: PrivateSlurm, gateway: Gateway) -> None:
        self._slurm = slurm
        self.gateway = gateway
        self.is_alive = True

    def pause(self) -> None:
        self._slurm.pause_controller()

    def resume(self) -> None:
        self._slurm.resume_controller()

    def kill(self) -> None:
        self._slurm.kill_controller()
        self.is_alive = False

    def let_start(self, job_id: str) -> None:
        wait_for_state(self.gateway, job_id, "RUNNING")

    def token(self) -> str:
        return self._slurm.run("scontrol", "token", "lifespan=300").strip().partition("=")[2]


@pytest.fixture
def gateway(slurm: PrivateSlurm) -> Iterator[SlurmGateway]:
    with running_gateway(slurm, workers=2) as gateway:
        yield gateway


def test_every_field_of_a_descriptor_reaches_slurm(slurm: PrivateSlurm, gateway: SlurmGateway, tmp_path: Path) -> None:
    job = descriptor(
        tmp_path,
        name="qaqc",
        partition="normal",
        time_limit_minutes=17,
        memory_mib=123,
        cpus=2,
        nice=5,
    )
    job_id = gateway.submit(job, Deadline.after(20))
    shown = slurm.run("scontrol", "show", "job", job_id)
    for text in (
        "JobName=qaqc",
        "Partition=normal",
        "TimeLimit=00:17:00",
        "MinMemoryNode=123M",
        "CPUs/Task=2",
        "Nice=5",
        f"Comment={job.comment}",
        f"WorkDir={tmp_path}",
        f"StdOut={tmp_path}/parse-{job_id}.out",
        f"StdErr={tmp_path}/parse-{job_id}.err",
    ):
        assert text in shown


def test_the_jobs_environment_is_the_descriptors_and_nothing_of_the_services(
    gateway: SlurmGateway, shared_folder: Path
) -> None:
    output = shared_folder / "environment.out"
    job = descriptor(
        shared_folder,
        script="#!/bin/sh\nenv | cut -d= -f1 | sort\n",
        environment={"PATH": "/usr/bin:/bin", "SLURM_UMASK": "0077", "MINE": "1"},
        stdout_path=str(output),
    )
    job_id = gateway.submit(job, Deadline.after(20))
    wait_for_state(gateway, job_id, "COMPLETED")
    foreign = set(os.environ) - {"PATH", "HOME", "PWD", "SHELL", "USER", "TMPDIR", "SLURM_CONF", "LC_ALL", "HOSTNAME"}
    names = set(output.read_text().split())
    assert "MINE" in names
    assert not names & foreign
    assert "SLURM_JWT" not in names  # the worker's own, by which it signs
    assert output.stat().st_mode & 0o777 == 0o600


def test_jobs_of_other_users_are_not_ours_even_with_our_comment(
    slurm: PrivateSlurm, gateway: SlurmGateway, tmp_path: Path
) -> None:
    forged = f"--comment={descriptor(tmp_path).comment}"
    job_id = slurm.run(
        "sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--wrap=true", forged, user="sontsm"
    )
    assert gateway.find(job_id.strip(), Deadline.after(20)) is None
    assert job_id.strip() not in {job.job_id for job in gateway.queue(Deadline.after(20)).jobs}


@pytest.mark.parametrize("changes", [{"script": "no interpreter"}, {"cpus": 70_000}], ids=["script", "cpus"])
def test_what_pyslurm_chokes_on_is_refused_and_costs_no_worker(
    gateway: SlurmGateway, tmp_path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(SlurmRefusedError, match="pyslurm"):
        gateway.submit(descriptor(tmp_path, **changes), Deadline.after(20))
    count = gateway.workers()
    assert count.alive == count.wanted


def test_a_comment_that_is_no_text_costs_no_worker(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    odd = os.fsdecode(b"--comment=\xff\xfe")
    job_id = slurm.run("sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--wrap=true", odd)
    job = gateway.find(job_id.strip(), Deadline.after(20))
    assert job is not None
    assert job.comment == ""
    gateway.queue(Deadline.after(20))
    assert gateway.workers().alive == gateway.workers().wanted


def test_killed_workers_are_replaced_and_their_successors_submit(gateway: SlurmGateway, tmp_path: Path) -> None:
    children = [child for child in active_children() if child.pid is not None]
    assert len(children) == 4
    for child in children:
        child.kill()
        child.join()
    assert gateway.submit(descriptor(tmp_path), Deadline.after(20)).isdecimal()
    wait_until(lambda: gateway.workers().alive == gateway.workers().wanted, "all workers are back")


def test_no_worker_outlives_the_gateway(slurm: PrivateSlurm, gateway: SlurmGateway, tmp_path: Path) -> None:
    slurm.pause_controller()
    try:
        with pytest.raises(Exception, match="did not answer in time"):
            gateway.submit(descriptor(tmp_path), Deadline.after(0.3))
    finally:
        slurm.resume_controller()
    gateway.close()
    wait_until(lambda: not active_children(), "no worker is left")


def test_signals_for_the_group_leave_workers_to_their_parent(gateway: SlurmGateway) -> None:
    for child in active_children():
        os.kill(child.pid or 0, signal.SIGINT)
        os.kill(child.pid or 0, signal.SIGTERM)
    time.sleep(0.2)
    count = gateway.workers()
    assert count.alive == count.wanted


# Last, since it kills the controller, which then takes its time with jobs.
class TestSlurmGateway(GatewayContract):
    @pytest.fixture
    def cluster(self, slurm: PrivateSlurm, gateway: SlurmGateway) -> Iterator[SlurmCluster]:
        cluster = SlurmCluster(slurm, gateway)
        yield cluster
        if cluster.is_alive:
            slurm.resume_controller()
        else:
            slurm.start_controller()
