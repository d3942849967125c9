"""Jobs as accounting has them, beside what the controller says, and what a slurmdbd in trouble costs."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import AccountingUnreachableError
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.messages import JobSnapshot
from tests.contract.gateway import soon, wait_for_state
from tests.support.accounting import running_accounting
from tests.support.private_slurm import PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import descriptor
from tests.support.waiting import wait_until

COMMENT = descriptor(Path("/tmp")).comment
SBATCH = ("sbatch", "--parsable", "--chdir=/tmp", "--output=/dev/null", "--mem=10", f"--comment={COMMENT}")


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    with running_accounting(folder) as parameters, PrivateSlurm(folder, overrides=parameters, cpus=8) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def gateway(slurm: PrivateSlurm) -> Iterator[SlurmGateway]:
    with running_gateway(slurm, workers=1) as gateway:
        yield gateway


@pytest.fixture
def slurmdbd(slurm: PrivateSlurm) -> Iterator[int]:
    """Its process id."""
    pid = int((slurm.folder / "slurmdbd.pid").read_text())
    yield pid
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError:
        return


def submit(slurm: PrivateSlurm, *arguments: str, script: str = "true", user: str = "root") -> str:
    return slurm.run(*SBATCH, *arguments, f"--wrap={script}", user=user).strip()


def has_completed(slurm: PrivateSlurm, job_id: str) -> bool:
    return slurm.run("sacct", "--noheader", "--allocations", f"--jobs={job_id}", "--format=state").split() == [
        "COMPLETED"
    ]


def past(gateway: SlurmGateway, job_id: str) -> JobSnapshot:
    """The job as accounting has it, once it has heard of its end."""
    wait_until(lambda: gateway.find_past(job_id, soon()), f"accounting knows the end of job {job_id}")
    job = gateway.find_past(job_id, soon())
    assert job is not None
    return job


def test_the_first_question_brings_the_historian(gateway: SlurmGateway) -> None:
    before = gateway.workers().wanted
    assert gateway.find_past("4000000", soon()) is None
    assert gateway.ping_accounting(soon())
    count = gateway.workers()
    assert (count.alive, count.wanted) == (before + 1, before + 1)


def test_accounting_says_what_the_controller_says(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    """But for reasons, who cancelled a job, limits, what it used, and the start of one that never started."""
    over_time = submit(slurm, "--time=1", script="sleep 600")
    states = {
        submit(slurm): "COMPLETED",
        submit(slurm, script="exit 3"): "FAILED",
        submit(slurm, script="kill -SEGV $$"): "FAILED",
        submit(slurm, script="exit 200"): "FAILED",
        (cancelled_early := submit(slurm, "--hold")): "CANCELLED",
        (cancelled_late := submit(slurm, script="sleep 600")): "CANCELLED",
        over_time: "TIMEOUT",
    }
    slurm.run("scancel", cancelled_early)
    for job_id in (cancelled_late, over_time):
        wait_for_state(gateway, job_id, "RUNNING")
    slurm.run("scancel", cancelled_late)
    slurm.run("scontrol", "update", f"JobId={over_time}", "EndTime=now+1")  # which is looked at every 30 s
    wait_until(lambda: gateway.find_past(over_time, soon()), "the time limit is over", seconds=60)
    for job_id, state in states.items():
        kept = past(gateway, job_id)
        said = gateway.find(job_id, soon())
        assert said is not None
        assert said.state == state
        assert kept == replace(
            said,
            state_reason=None,
            start_time=said.start_time if said.nodes else None,
            cancelled_by="root" if state == "CANCELLED" else None,
            time_limit_minutes=None,
            cpu_seconds=kept.cpu_seconds,
            max_memory_bytes=kept.max_memory_bytes,
        )


def test_what_a_job_used_is_told_as_sacct_tells_it(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    busy = "python3 -c 'x = bytearray(50 << 20)\nimport time\nwhile time.process_time() < 3: pass'"
    idle = past(gateway, submit(slurm))
    # Slurm looks at memory at intervals, and no more at the end.
    used = past(gateway, submit(slurm, "--mem=100", "--acctg-freq=1", script=busy))
    fields = ["--noheader", "--parsable2", "--noconvert", "--format=CPUTimeRAW,TotalCPU,MaxRSS"]
    _, total_cpu, max_rss = slurm.run("sacct", f"--jobs={used.job_id}.batch", *fields).strip().split("|")
    minutes, seconds = total_cpu.split(":")
    assert used.cpu_seconds is not None
    assert 0 <= 60 * int(minutes) + float(seconds) - used.cpu_seconds < 2  # of system and user whole seconds each
    assert used.max_memory_bytes == int(max_rss) > 50 << 20
    assert (idle.cpu_seconds, idle.max_memory_bytes) != (0, 0)


def test_a_job_that_has_not_ended_is_not_past(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    waiting, running = submit(slurm, "--hold"), submit(slurm, script="sleep 600")
    wait_for_state(gateway, running, "RUNNING")
    ended = past(gateway, submit(slurm))  # accounting hears of things in their order
    assert gateway.find_past(waiting, soon()) is None
    assert gateway.find_past(running, soon()) is None
    assert not {waiting, running} & {job.job_id for job in gateway.past(0, ended.end_time or 0, soon())}
    slurm.run("scancel", waiting, running)


def test_the_past_of_a_window_is_what_ended_in_it(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    first = past(gateway, submit(slurm))
    time.sleep(2)
    second = past(gateway, submit(slurm))
    assert first.end_time is not None
    assert second.end_time is not None
    assert first in gateway.past(first.end_time, first.end_time, soon())
    assert second not in gateway.past(first.end_time, second.end_time - 1, soon())
    assert {first, second} <= set(gateway.past(first.end_time, second.end_time, soon()))


def test_a_job_whose_dependency_failed_is_past_too(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    failing = submit(slurm, script="exit 1")
    dependent = past(gateway, submit(slurm, f"--dependency=afterok:{failing}", "--kill-on-invalid-dep=yes"))
    assert (dependent.state, dependent.nodes, dependent.cancelled_by) == ("CANCELLED", None, None)
    assert dependent in gateway.past(0, int(time.time()), soon())


def test_elements_of_an_array(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    array = submit(slurm, "--array=0-2", script="exit $SLURM_ARRAY_TASK_ID")
    jobs = [past(gateway, f"{array}_{index}") for index in range(3)]
    assert [job.exit_code for job in jobs] == [0, 1, 2]
    assert set(jobs) <= set(gateway.past(0, int(time.time()), soon()))
    assert gateway.find_past(f"{array}_3", soon()) is None
    assert gateway.find_past(array, soon()) is None


def test_elements_that_were_cancelled_before_they_started(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    array = submit(slurm, "--array=1-70%1", script="sleep 600")
    wait_until(lambda: "RUNNING" in slurm.run("squeue", "--noheader", f"--jobs={array}", "--format=%T"), "one runs")
    slurm.run("scancel", array)
    assert past(gateway, f"{array}_1").nodes == "n1"
    assert [past(gateway, f"{array}_{index}").nodes for index in (2, 70)] == [None, None]
    assert gateway.find_past(f"{array}_71", soon()) is None
    ids = [job.job_id for job in gateway.past(0, int(time.time()), soon()) if job.job_id.startswith(f"{array}_")]
    assert sorted(ids) == sorted(f"{array}_{index}" for index in range(1, 71))


def test_a_job_that_ran_twice_is_told_once(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    job_id = submit(slurm, script='[ "$SLURM_RESTART_COUNT" ] || sleep 600; exit 4')
    wait_for_state(gateway, job_id, "RUNNING")
    slurm.run("scontrol", "requeue", job_id)
    assert job_id not in {job.job_id for job in gateway.past(0, int(time.time()), soon())}
    wait_until(lambda: (gateway.find(job_id, soon()) or past(gateway, job_id)).state == "PENDING", "it waits again")
    slurm.run("scontrol", "update", f"JobId={job_id}", "StartTime=now")  # which would be two minutes later
    # Until slurmdbd has the second run's end it tells the first one's.
    wait_until(lambda: past(gateway, job_id).state == "FAILED", "its end is in accounting")
    job = past(gateway, job_id)
    assert (job.state, job.exit_code, job.restarts) == ("FAILED", 4, 1)
    assert [kept for kept in gateway.past(0, int(time.time()), soon()) if kept.job_id == job_id] == [job]


@pytest.mark.parametrize("last", ["resume", "cancel"])
def test_a_suspended_job_ran_as_long_as_accounting_says(slurm: PrivateSlurm, gateway: SlurmGateway, last: str) -> None:
    job_id = submit(slurm, script="sleep 3")
    wait_for_state(gateway, job_id, "RUNNING")
    slurm.run("scontrol", "suspend", job_id)
    wait_for_state(gateway, job_id, "SUSPENDED")
    time.sleep(3)  # whole seconds are all that Slurm tells
    slurm.run(*(("scontrol", "resume") if last == "resume" else ("scancel",)), job_id)
    kept = past(gateway, job_id)
    said = gateway.find(job_id, soon())
    elapsed = slurm.run("sacct", "--noheader", "--allocations", f"--jobs={job_id}", "--format=elapsedraw")
    for job in (kept, said):
        assert job is not None
        assert job.start_time is not None
        assert job.end_time is not None
        assert job.end_time - job.start_time - job.suspended_seconds == int(elapsed)


def test_jobs_of_others_are_not_ours(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    forged = submit(slurm, "--account=science", user="sontsm")
    uncommented = slurm.run(*SBATCH[:-1], "--wrap=true").strip()
    for job_id in (forged, uncommented):
        wait_until(partial(has_completed, slurm, job_id), f"job {job_id} has ended")
        assert gateway.find_past(job_id, soon()) is None
    assert not {forged, uncommented} & {job.job_id for job in gateway.past(0, int(time.time()), soon())}


def test_what_the_controller_forgets_accounting_keeps(slurm: PrivateSlurm, gateway: SlurmGateway) -> None:
    kept = past(gateway, submit(slurm))
    slurm.conf_path.write_text(slurm.conf_path.read_text().replace("MinJobAge=3600", "MinJobAge=2"))
    slurm.run("scontrol", "reconfigure")
    wait_until(lambda: gateway.find(kept.job_id, soon()) is None, "the controller forgets", seconds=60)
    assert gateway.find_past(kept.job_id, soon()) == kept


def test_a_slurmdbd_that_hangs_costs_history_only(gateway: SlurmGateway, slurmdbd: int, tmp_path: Path) -> None:
    os.kill(slurmdbd, signal.SIGSTOP)
    started_at = time.monotonic()
    with pytest.raises(AccountingUnreachableError):
        gateway.find_past("1", Deadline.after(1.0))
    assert 0.9 < time.monotonic() - started_at < 2.0
    with pytest.raises(AccountingUnreachableError):
        gateway.past(0, int(time.time()), Deadline.after(1.0))
    assert gateway.find(gateway.submit(descriptor(tmp_path), soon(5)), soon(5)) is not None
    os.kill(slurmdbd, signal.SIGCONT)
    assert gateway.ping_accounting(soon())


# The last, since nobody brings slurmdbd back.
def test_a_dead_slurmdbd_costs_history_only(gateway: SlurmGateway, slurmdbd: int, tmp_path: Path) -> None:
    os.kill(slurmdbd, signal.SIGKILL)
    for ask in (lambda: gateway.find_past("1", soon()), lambda: gateway.past(0, 1, soon())):
        with pytest.raises(AccountingUnreachableError, match="slurmdbd"):
            ask()
    assert gateway.find(gateway.submit(descriptor(tmp_path), soon(5)), soon(5)) is not None
