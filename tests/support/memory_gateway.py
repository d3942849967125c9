"""A gateway without Slurm, for unit tests. It passes the same contract as the real one: `tests/contract/`."""

import time
from collections.abc import Mapping, Sequence
from copy import copy
from typing import Self

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.slurm.comments import own_text
from bridge.slurm.errors import accounting_error, outcome_unknown, reading_error, submission_error
from bridge.slurm.gateway import WorkerCount
from bridge.slurm.job_ids import array_indices, ids_of, whole_id
from bridge.slurm.messages import (
    Cancel,
    ControllerFacts,
    ControllerPing,
    FollowedJob,
    JobDescriptor,
    JobSnapshot,
    QueueChange,
    Requeue,
    RequeueOutcome,
)
from bridge.slurm.states import FINISHED_STATES, is_held_by_requeue

PARTITION = "normal"
INVALID_PARTITION = (2000, "Invalid partition name specified")
NO_ANSWER = (5004, "Socket timed out on send/recv operation")
NO_ACCOUNTING = (-1, "Failed to get Jobs from slurmdbd")
CONNECT_FAILURE = (1800, "Unable to contact slurm controller (connect failure)")


class MemoryGateway:
    """A cluster of one partition, `normal`, in which jobs wait for ever; with accounting where that is asked for."""

    def __init__(self, *, has_accounting: bool = False) -> None:
        self.descriptors: dict[str, JobDescriptor] = {}
        self._snapshots: dict[str, JobSnapshot] = {}
        self.released: set[str] = set()  # ids of the jobs that were let begin
        self.begin_times: dict[str, int | None] = {}  # of jobs that run again, as is the next
        self.excluded_nodes: dict[str, tuple[str, ...]] = {}
        self.dependencies: dict[str, str | None] = {}  # of these
        self._told: dict[str, JobSnapshot] | None = None
        self.is_paused = False
        self.is_dead = False
        self.backups: dict[str, bool] = {}  # other controllers by host, and whether each answers
        self.good_tokens: set[str] = set()
        self.token_checks = 0  # how often it has been asked
        self.has_accounting = has_accounting
        self.accounting_is_dead = False
        self._forgotten: dict[str, JobSnapshot] = {}
        self._booted_at = int(time.time())

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`. A paused controller executes what it was sent all the same."""
        if self.is_dead:
            raise submission_error(*CONNECT_FAILURE)
        if descriptor.partition not in (None, PARTITION):
            raise submission_error(*INVALID_PARTITION)
        job_id = str(max(map(int, self.descriptors), default=0) + 1)
        self.descriptors[job_id] = descriptor
        for own_id in ids_of(job_id, descriptor.indices):
            self._snapshots[own_id] = _pending(own_id, descriptor)
        if self.is_paused:
            time.sleep(deadline.remaining_seconds)
            raise outcome_unknown("Slurm did not answer in time")
        return job_id

    def find(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        self._read(deadline)
        return self._snapshots.get(job_id)

    def queue(self, deadline: Deadline, followed: Sequence[FollowedJob] = ()) -> QueueChange:
        """See `Gateway`."""
        self._read(deadline)
        submitted = {job_id: job.submit_time for job_id, job in (self._told or {}).items()}
        submitted.update({job.job_id: job.submit_time for job in followed})
        shown = {
            job_id: replace(job, comment=own_text(job.comment))
            for job_id, job in list(self._snapshots.items())  # another thread may submit meanwhile
            if own_text(job.comment) or submitted.get(job_id, "unknown") in (None, job.submit_time)
        }
        told, self._told = self._told, shown
        if told is None:
            return QueueChange(is_full=True, jobs=tuple(self._told.values()), gone=())
        changed = tuple(job for job_id, job in self._told.items() if told.get(job_id) != job)
        return QueueChange(is_full=False, jobs=changed, gone=tuple(told.keys() - self._told.keys()))

    def cancel(self, request: Cancel, deadline: Deadline) -> bool:
        """See `Gateway`."""
        if "[" in request.job_id:
            array_id, _, indices = request.job_id.partition("_")
            elements = ids_of(array_id, array_indices(indices.strip("[]")))
            taken = [self.cancel(replace(request, job_id=job_id), deadline) for job_id in elements]
            return all(taken)
        job = self.find(request.job_id, deadline)
        if job is None or job.state in FINISHED_STATES:
            return False
        if job.comment != request.comment and job.submit_time != request.submit_time:
            return False
        if request.only_waiting and job.state != "PENDING":
            return False
        self.put(request.job_id, {"state": "CANCELLED", "end_time": int(time.time())})
        return True

    def release(self, job_id: str, deadline: Deadline) -> None:
        """See `Gateway`."""
        self._read(deadline)
        self.released.add(job_id)
        for own_id in [own_id for own_id in self._snapshots if whole_id(own_id) == job_id]:
            self.put(own_id, {"start_time": None})

    def requeue(self, jobs: Sequence[Requeue], deadline: Deadline) -> list[RequeueOutcome]:
        """See `Gateway`."""
        return [RequeueOutcome(is_taken=self._requeue(request, deadline)) for request in jobs]

    def _requeue(self, request: Requeue, deadline: Deadline) -> bool:
        job = self.find(request.job_id, deadline)
        if job is None:
            return False
        is_to_have_dependency = job.is_singleton or request.dependency is not None
        is_left_held = is_to_have_dependency and is_held_by_requeue(job.state, job.state_reason)
        if not (job.state in FINISHED_STATES or is_left_held):
            return False
        if job.comment != request.comment or job.submit_time != request.submit_time:
            return False
        waits = {"state": "PENDING", "state_reason": "BeginTime", "end_time": None, "start_time": None, "nodes": None}
        again = {
            "restarts": job.restarts + (job.state != "PENDING"),
            "submit_time": self._later_than(job),
            "note": request.note,
        }
        self.put(request.job_id, {**waits, **again})
        self.begin_times[request.job_id] = request.begin_time
        self.excluded_nodes[request.job_id] = request.excluded_nodes
        self.dependencies[request.job_id] = request.dependency
        return True

    def _later_than(self, job: JobSnapshot) -> int:
        """Now, or the second after the job was submitted: its runs on Slurm lie further apart."""
        return max(int(time.time()), (job.submit_time or 0) + 1)

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """See `Gateway`."""
        self._read(deadline)
        return ControllerFacts(
            self._booted_at, min_job_age_seconds=300, has_accounting=self.has_accounting, has_tokens=True
        )

    def ping(self, deadline: Deadline) -> tuple[ControllerPing, ...]:
        """See `Gateway`."""
        if self.is_paused:
            self._read(deadline)
        primary = ControllerPing("memory", is_responding=not self.is_dead)
        return (primary, *(ControllerPing(host, is_responding=is_well) for host, is_well in self.backups.items()))

    def find_past(self, job_id: str, deadline: Deadline) -> JobSnapshot | None:
        """See `Gateway`."""
        return next((job for job in self.past(0, int(time.time()), deadline) if job.job_id == job_id), None)

    def past(self, since: int, until: int, deadline: Deadline) -> tuple[JobSnapshot, ...]:
        """See `Gateway`."""
        if not self.ping_accounting(deadline):
            return ()
        return tuple(
            replace(job, state_reason=None, comment=text)  # accounting does not keep reasons
            for job in {**self._forgotten, **self._snapshots}.values()
            if job.state in FINISHED_STATES and job.end_time is not None and since <= job.end_time <= until
            if (text := own_text(job.comment))
        )

    def ping_accounting(self, deadline: Deadline) -> bool:
        """See `Gateway`."""
        if self.has_accounting and self.accounting_is_dead:
            raise accounting_error(*NO_ACCOUNTING)
        return self.has_accounting

    def verify_token(self, token: str, deadline: Deadline) -> bool:
        """See `Gateway`."""
        self.token_checks += 1
        self._read(deadline)
        return token in self.good_tokens

    def workers(self) -> WorkerCount:
        """See `Gateway`."""
        return WorkerCount(wanted=1, alive=1, failure=None, restarts={"submissions": 0})

    def crash(self) -> None:
        """Start again without the jobs, as a controller that had saved none of them."""
        self._snapshots.clear()
        self.restart()

    def restart(self) -> None:
        """Start again with the jobs that there are."""
        self._booted_at = max(int(time.time()), self._booted_at + 1)

    def lose(self, job_id: str) -> None:
        """Forget a job that was not saved; its id comes again. Accounting remembers it if it has ended."""
        job = self._snapshots.pop(job_id)
        self.descriptors.pop(whole_id(job_id), None)
        self.released.discard(job_id)
        if job.state in FINISHED_STATES:
            self._forgotten[job_id] = job

    def forget(self, job_id: str) -> None:
        """The controller forgets a job that has ended; accounting, where there is one, does not."""
        self._forgotten[job_id] = self._snapshots.pop(job_id)

    def of_another_bridge(self) -> Self:
        """The same cluster, for a bridge that looks at its queue by itself."""
        other = copy(self)
        other.tell_all_again()
        return other

    def tell_all_again(self) -> None:
        """Tell the whole queue with the next look, as a new worker does."""
        self._told = None

    def put(self, job_id: str, changes: Mapping[str, object]) -> None:
        """Change how a job stands, as Slurm would."""
        self._snapshots[job_id] = replace(self._snapshots[job_id], **changes)

    def _read(self, deadline: Deadline) -> None:
        if self.is_dead:
            raise reading_error(*CONNECT_FAILURE)
        if self.is_paused:
            time.sleep(deadline.remaining_seconds)
            raise reading_error(*NO_ANSWER)


def _pending(job_id: str, descriptor: JobDescriptor) -> JobSnapshot:
    return JobSnapshot(
        job_id=job_id,
        comment=descriptor.comment,
        state="PENDING",
        state_reason=None,
        exit_code=0,
        signal=0,
        submit_time=int(time.time()),
        start_time=descriptor.begin_time,
        end_time=None,
        nodes=None,
        partition=descriptor.partition or PARTITION,
        restarts=0,
        time_limit_minutes=descriptor.time_limit_minutes,
        is_singleton=descriptor.is_singleton,
    )
