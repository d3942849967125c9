"""What every gateway does. The in-memory one and the real one inherit these tests, so neither can drift."""

import time
from pathlib import Path
from typing import Protocol

import pytest
from msgspec import structs

from bridge.core.deadline import Deadline
from bridge.core.errors import ControllerUnreachableError, OutcomeUnknownError, SlurmRefusedError
from bridge.slurm.gateway import Gateway
from bridge.slurm.messages import Cancel, JobSnapshot, Requeue
from tests.support.samples import descriptor
from tests.support.waiting import wait_until


class Cluster(Protocol):
    """A gateway, and the means to hurt the controller behind it."""

    gateway: Gateway

    def pause(self) -> None:
        """The controller takes requests and does not answer."""

    def resume(self) -> None:
        """It answers again."""

    def kill(self) -> None:
        """The controller is gone."""

    def let_start(self, job_id: str) -> None:
        """Wait until the job runs, or make it run."""

    def token(self) -> str:
        """A token that the controller accepts."""


def soon(seconds: float = 20.0) -> Deadline:
    """A deadline that a healthy controller always keeps."""
    return Deadline.after(seconds)


class GatewayContract:
    """Inherit it, and provide the fixture `cluster`."""

    def test_a_submitted_job_is_found_at_once(self, cluster: Cluster, tmp_path: Path) -> None:
        before = int(time.time())
        submitted = descriptor(tmp_path, time_limit_minutes=7)
        job_id = cluster.gateway.submit(submitted, soon())
        job = cluster.gateway.find(job_id, soon())
        assert job is not None
        assert (job.job_id, job.time_limit_minutes) == (job_id, 7)
        assert job.comment == submitted.comment
        assert job.state in ("PENDING", "RUNNING", "CONFIGURING")
        assert job.partition == "normal"
        assert (job.exit_code, job.signal, job.restarts) == (0, 0, 0)
        assert job.submit_time is not None
        assert before <= job.submit_time <= time.time()

    def test_every_job_has_an_id_of_its_own(self, cluster: Cluster, tmp_path: Path) -> None:
        ids = {cluster.gateway.submit(descriptor(tmp_path), soon()) for _ in range(5)}
        assert len(ids) == 5
        assert all(job_id.isdecimal() for job_id in ids)

    @pytest.mark.parametrize("job_id", ["4000000", "4294967293"], ids=["unused", "largest"])
    def test_an_unknown_job_is_none(self, cluster: Cluster, job_id: str) -> None:
        assert cluster.gateway.find(job_id, soon()) is None

    def test_an_unknown_partition_is_refused_with_slurms_code(self, cluster: Cluster, tmp_path: Path) -> None:
        with pytest.raises(SlurmRefusedError) as caught:
            cluster.gateway.submit(descriptor(tmp_path, partition="nowhere"), soon())
        assert caught.value.slurm_code == 2000
        assert "artition" in caught.value.slurm_message

    def test_the_queue_tells_of_every_job_and_then_of_what_has_changed(self, cluster: Cluster, tmp_path: Path) -> None:
        submitted = {cluster.gateway.submit(descriptor(tmp_path), soon()) for _ in range(3)}
        first = cluster.gateway.queue(soon())
        assert first.is_full
        assert submitted <= {job.job_id for job in first.jobs}
        later = cluster.gateway.submit(descriptor(tmp_path), soon())
        second = cluster.gateway.queue(soon())
        assert not second.is_full
        assert later in {job.job_id for job in second.jobs}
        assert not set(second.jobs) & set(first.jobs)
        assert second.gone == ()

    def test_a_cancelled_job_is_cancelled_and_may_be_again(self, cluster: Cluster, tmp_path: Path) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path, script="#!/bin/sh\nsleep 60\n"), soon())
        request = cancellation(cluster.gateway, job_id)
        assert cluster.gateway.cancel(request, soon())
        wait_for_state(cluster.gateway, job_id, "CANCELLED")
        assert not cluster.gateway.cancel(request, soon())
        assert not cluster.gateway.cancel(structs.replace(request, job_id="4000000"), soon())

    @pytest.mark.parametrize(
        ("changes", "is_taken"),
        [
            pytest.param({"comment": "another"}, True, id="comment-changed"),
            pytest.param({"submit_time": 1}, True, id="requeued"),
            pytest.param({"comment": "another", "submit_time": 1}, False, id="another-job"),
        ],
    )
    def test_only_the_job_that_was_meant_is_cancelled(
        self, cluster: Cluster, tmp_path: Path, changes: dict[str, object], is_taken: bool
    ) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path, script="#!/bin/sh\nsleep 60\n"), soon())
        request = cancellation(cluster.gateway, job_id)
        assert cluster.gateway.cancel(structs.replace(request, **changes), soon()) is is_taken
        assert cluster.gateway.cancel(request, soon()) is not is_taken

    def test_a_job_that_has_started_is_not_cancelled_as_one_that_waits(self, cluster: Cluster, tmp_path: Path) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path, script="#!/bin/sh\nsleep 60\n"), soon())
        cluster.let_start(job_id)
        request = cancellation(cluster.gateway, job_id)
        assert not cluster.gateway.cancel(structs.replace(request, only_waiting=True), soon())
        assert cluster.gateway.cancel(request, soon())

    def test_a_job_that_has_ended_runs_again_once(self, cluster: Cluster, tmp_path: Path) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path, begin_time=int(time.time()) + 600), soon())
        waiting = cluster.gateway.find(job_id, soon())
        assert waiting is not None
        request = Requeue(job_id, waiting.comment, waiting.submit_time)
        assert not runs_again(cluster.gateway, request)
        cluster.gateway.cancel(cancellation(cluster.gateway, job_id), soon())
        wait_for_state(cluster.gateway, job_id, "CANCELLED")
        for changes in ({"job_id": "4000000"}, {"submit_time": 1}, {"comment": "another"}):
            assert not runs_again(cluster.gateway, structs.replace(request, **changes))
        assert runs_again(cluster.gateway, request)
        assert not runs_again(cluster.gateway, request)
        again = cluster.gateway.find(job_id, soon())
        assert again is not None
        assert (again.state, again.restarts, again.comment) == ("PENDING", 1, waiting.comment)

    def test_each_element_of_an_array_is_a_job(self, cluster: Cluster, tmp_path: Path) -> None:
        submitted = descriptor(tmp_path, indices=(0, 2, 3), begin_time=int(time.time()) + 600)
        array_id = cluster.gateway.submit(submitted, soon())
        shown = {job.job_id: job for job in cluster.gateway.queue(soon()).jobs if job.job_id.startswith(f"{array_id}_")}
        assert sorted(shown) == [f"{array_id}_{index}" for index in (0, 2, 3)]
        assert {(job.state, job.comment) for job in shown.values()} == {("PENDING", submitted.comment)}

    def test_several_elements_are_cancelled_at_once(self, cluster: Cluster, tmp_path: Path) -> None:
        submitted = descriptor(tmp_path, indices=(0, 1, 2, 3), begin_time=int(time.time()) + 600)
        array_id = cluster.gateway.submit(submitted, soon())
        queue: dict[str, JobSnapshot] = {}

        def waiting() -> set[str]:
            """The indices of the elements that wait."""
            queue.update({job.job_id: job for job in cluster.gateway.queue(soon()).jobs})
            states = {index: queue[f"{array_id}_{index}"].state for index in "0123"}
            return {index for index, state in states.items() if state == "PENDING"}

        assert waiting() == {"0", "1", "2", "3"}
        first = queue[f"{array_id}_0"]
        some = Cancel(f"{array_id}_[1-2]", first.comment, first.submit_time, only_waiting=True)
        assert cluster.gateway.cancel(some, soon())
        wait_until(lambda: waiting() == {"0", "3"}, "they are cancelled")
        assert not cluster.gateway.cancel(structs.replace(some, job_id=f"{array_id}_[0-1]"), soon())
        wait_until(lambda: waiting() == {"3"}, "the one of them that waited is cancelled all the same")

    def test_a_job_that_is_to_begin_later_waits_until_it_is_released(self, cluster: Cluster, tmp_path: Path) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path, begin_time=int(time.time()) + 600), soon())
        job = cluster.gateway.find(job_id, soon())
        assert job is not None
        assert job.state == "PENDING"
        cluster.gateway.release(job_id, soon())
        cluster.let_start(job_id)
        cluster.gateway.release(job_id, soon())

    def test_the_controller_tells_what_it_is(self, cluster: Cluster) -> None:
        facts = cluster.gateway.controller(soon())
        assert time.time() - 3600 < facts.booted_at <= time.time()
        assert facts.min_job_age_seconds >= 300
        assert not facts.has_accounting
        assert facts.has_tokens

    def test_without_accounting_there_is_no_past(self, cluster: Cluster, tmp_path: Path) -> None:
        job_id = cluster.gateway.submit(descriptor(tmp_path), soon())
        cluster.gateway.cancel(cancellation(cluster.gateway, job_id), soon())
        wait_for_state(cluster.gateway, job_id, "CANCELLED")
        assert cluster.gateway.find_past(job_id, soon()) is None
        assert cluster.gateway.past(0, int(time.time()), soon()) == ()
        assert not cluster.gateway.ping_accounting(soon())

    def test_the_controller_answers_a_ping(self, cluster: Cluster) -> None:
        assert [controller.is_responding for controller in cluster.gateway.ping(soon())] == [True]

    def test_a_token_holds_and_none_with_another_signature(self, cluster: Cluster) -> None:
        good = cluster.token()
        forged = good.rpartition(".")[0] + "." + "A" * 43
        answers = [cluster.gateway.verify_token(token, soon()) for token in (forged, good, forged, good, "garbage")]
        assert answers == [False, True, False, True, False]

    def test_a_silent_controller_says_nothing_of_tokens(self, cluster: Cluster) -> None:
        good = cluster.token()
        assert cluster.gateway.verify_token(good, soon())
        cluster.pause()
        with pytest.raises(ControllerUnreachableError):
            cluster.gateway.verify_token(good, soon(0.5))

    def test_all_workers_are_alive(self, cluster: Cluster) -> None:
        assert all_alive(cluster.gateway)

    def test_a_silent_controller_leaves_the_outcome_unknown_and_may_execute_it(
        self, cluster: Cluster, tmp_path: Path
    ) -> None:
        last = int(cluster.gateway.submit(descriptor(tmp_path), soon()))
        cluster.pause()
        started_at = time.monotonic()
        with pytest.raises(OutcomeUnknownError):
            cluster.gateway.submit(descriptor(tmp_path), Deadline.after(1.0))
        assert 0.9 < time.monotonic() - started_at < 2.0
        cluster.resume()
        wait_until(lambda: cluster.gateway.find(str(last + 1), soon()), "the job that got no answer is there")

    def test_a_silent_controller_cannot_be_read(self, cluster: Cluster) -> None:
        cluster.pause()
        with pytest.raises(ControllerUnreachableError):
            cluster.gateway.find("1", Deadline.after(0.5))
        with pytest.raises(ControllerUnreachableError):
            cluster.gateway.ping(soon(0.5))

    def test_after_silence_it_works_again(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.pause()
        with pytest.raises(OutcomeUnknownError):
            cluster.gateway.submit(descriptor(tmp_path), Deadline.after(0.5))
        cluster.resume()
        assert cluster.gateway.submit(descriptor(tmp_path), soon())

    def test_a_dead_controller_is_unreachable(self, cluster: Cluster, tmp_path: Path) -> None:
        cluster.kill()
        with pytest.raises(ControllerUnreachableError):
            cluster.gateway.submit(descriptor(tmp_path), soon())


def all_alive(gateway: Gateway) -> bool:
    count = gateway.workers()
    return count.alive == count.wanted > 0


def runs_again(gateway: Gateway, request: Requeue) -> bool:
    (outcome,) = gateway.requeue([request], soon())
    return outcome.is_taken


def cancellation(gateway: Gateway, job_id: str) -> Cancel:
    """The request to cancel the job as it is now."""
    job = gateway.find(job_id, soon())
    assert job is not None
    return Cancel(job_id, job.comment, job.submit_time)


def wait_for_state(gateway: Gateway, job_id: str, state: str) -> None:
    """Wait until the job is in `state`; says how it stood last where it does not get there."""
    deadline = soon()
    while (job := gateway.find(job_id, soon())) is None or job.state != state:
        assert deadline.remaining_seconds, f"not {state}: {job}"
        time.sleep(0.1)
