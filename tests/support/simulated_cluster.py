"""Bridges on one in-memory cluster, with a clock that moves only when something waits. One thread plays all of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, IdempotencyMismatchError
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.kinds import ParseRequest, QaqcRequest
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.past_jobs import PastJobs
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.status.watched_gateway import WatchedGateway
from bridge.jobs.submission import (
    attempts,
    cancellation,
    chain_recovery,
    chains,
    key_history,
    known_jobs,
    pending_limit,
    recovery,
    sender,
    submitter,
)
from bridge.jobs.submission.recovery import USUAL_PAUSES
from bridge.slurm.comments import own_text
from bridge.slurm.errors import outcome_unknown, reading_error
from bridge.slurm.messages import ControllerFacts, FollowedJob, JobDescriptor, JobSnapshot, QueueChange, RpcLimit
from bridge.slurm.observed_gateway import ObservedGateway
from bridge.slurm.states import FINISHED_STATES
from tests.support.memory_gateway import NO_ANSWER, MemoryGateway
from tests.support.samples import HASHES, settings
from tests.support.virtual_time import VirtualTime

SETTINGS = settings()
REQUEST_SECONDS = 15.0
MESSAGE_SECONDS = 10.0  # libslurm's own patience (MessageTimeout)
SAVE_SECONDS = 5.0  # of work, after which slurmctld has saved a job (SAVE_MAX_WAIT)
KEPT_HOURS = 24  # ended jobs are found by their keys, where there is accounting
CALL_SECONDS = 0.002  # what a call takes where nothing is wrong

Request = tuple[str | None, str, str]  # caller, key in the comment and digest: who asked for what


@dataclass
class Sent:
    """A submission on its way."""

    job: JobDescriptor
    job_id: str | None = None


class SimulatedCluster:
    """A controller that stops, crashes and forgets, and what ran on its nodes."""

    def __init__(self, clock: VirtualTime, *, has_accounting: bool, rpc_limit: RpcLimit | None = None) -> None:
        self.clock = clock
        self.rpc_limit = rpc_limit
        self.memory = MemoryGateway(has_accounting=has_accounting)
        self.runs: Counter[Request] = Counter()
        self.foreign_ids: set[str] = set()
        self.stopped_until = 0.0
        self.reads_first = False  # of what piled up while it was stopped
        self.stop_at_submission = 0.0  # for so long; 0: not
        self.hold_back_submission = 0.0  # so long libslurm repeats the next one, which is beyond the limit
        self.meanwhile: Callable[[], None] | None = None  # what happens during the next submission, or silence
        self.waits_for_submission = False  # with that
        self.nodes_are_up = True
        self.bridges: list[SimulatedBridge] = []
        self._asked_meanwhile = ExitStack()  # what bridges have asked the controller since it has stopped
        self._backlog: list[Sent] = []
        self._stopped_seconds = 0.0  # in all
        self._accepted_at: dict[str, float] = {}  # by job id; the time in which it was stopped does not count
        clock.on_change = self.go_on

    def jobs(self) -> list[JobSnapshot]:
        """Those that the controller knows."""
        found = (self.memory.find(job_id, Deadline.after(1)) for job_id in self.memory.descriptors)
        return [job for job in found if job is not None]

    def request_of(self, job_id: str) -> Request:
        """Whose job this is, whatever was done to its comment."""
        metadata = self.metadata_of(job_id)
        return metadata.by, metadata.key, metadata.digest

    def metadata_of(self, job_id: str) -> JobMetadata:
        """What the job was submitted with."""
        metadata = JobMetadata.from_json(self.memory.descriptors[job_id].comment)
        assert metadata is not None
        return metadata

    def known_to_accounting(self) -> set[Request]:
        """Whose jobs have ended by its word."""
        past = self.memory.past(0, int(self.clock.now_seconds), Deadline.after(1))
        found = (JobMetadata.from_json(own_text(job.comment)) for job in past if job.nodes or job.state != "CANCELLED")
        return {(metadata.by, metadata.key, metadata.digest) for metadata in found if metadata}

    def go_on(self) -> None:
        """Do what is due by now."""
        if self.clock.now_seconds >= self.stopped_until:
            self._asked_meanwhile.close()
            self._execute_backlog()
            self._start_jobs()

    def call(self, deadline: Deadline, sent: Sent | None = None) -> bool:
        """Wait as a call has to. False where it is given up; `sent` is executed all the same."""
        if self.stop_at_submission and sent is not None:
            self.stop(self.stop_at_submission)
            self.stop_at_submission = 0.0
        is_stopped = self.clock.now_seconds < self.stopped_until
        if sent is not None and is_stopped:
            self._backlog.append(sent)
        if self.meanwhile and (sent is not None or (is_stopped and not self.waits_for_submission)):
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        if sent is not None and not is_stopped:  # it took its time on the way
            self._backlog.append(sent)
        patience_seconds = min(MESSAGE_SECONDS, deadline.remaining_seconds)
        left_seconds = self.stopped_until - self.clock.now_seconds
        if left_seconds > patience_seconds:
            self.clock.sleep(patience_seconds)
            return False
        self.clock.now_seconds += max(left_seconds, CALL_SECONDS)
        if sent is not None or left_seconds <= 0 or not self.reads_first:
            self.go_on()
        return True

    def hold_back(self, deadline: Deadline) -> bool:
        """Wait as libslurm does while the controller takes no more requests. False where the call is given up."""
        seconds, self.hold_back_submission = self.hold_back_submission, 0.0
        meanwhile, self.meanwhile = self.meanwhile, None
        until_seconds = self.clock.now_seconds + seconds
        self.clock.sleep(seconds / 2)
        if meanwhile:
            meanwhile()
        self.clock.sleep(min(until_seconds - self.clock.now_seconds, deadline.remaining_seconds))
        return deadline.remaining_seconds > 0

    def stop(self, seconds: float) -> None:
        """It answers nothing for so long, and saves nothing. A bridge with unsaved jobs asks it every two seconds."""
        if seconds > 2 * USUAL_PAUSES.max_seconds:
            for bridge in self.bridges:
                if bridge.watched_requests():
                    self._asked_meanwhile.enter_context(bridge.trust.watching())
        self.stopped_until = self.clock.now_seconds + seconds
        self._stopped_seconds += seconds

    def unsaved(self, number: int) -> list[JobSnapshot]:
        """The jobs accepted last, so many at most, that a crash now would lose."""
        jobs = self.jobs()
        saved_at = self.clock.now_seconds - self._stopped_seconds - SAVE_SECONDS
        return [job for job in jobs[len(jobs) - min(number, len(jobs)) :] if self._accepted_at[job.job_id] > saved_at]

    def crash(self, lost: list[JobSnapshot]) -> None:
        """Start again without these jobs; their ids come again."""
        for job in lost:
            if job.state == "RUNNING" and job.job_id not in self.foreign_ids:
                self.runs[self.request_of(job.job_id)] -= 1  # its node ends a job that the controller does not know
            self._hold_again(self.metadata_of(job.job_id).after)
            self.foreign_ids.discard(job.job_id)
            self.memory.lose(job.job_id)
        self.memory.restart()
        self.clock.sleep(1.0)

    def _hold_again(self, first_id: str | None) -> None:
        """A job was let begin after the one was there that follows it, which was not saved: nor was that."""
        first = self.memory.find(first_id or "", Deadline.after(1))
        if first_id is None or first is None or first.state == "CANCELLED":
            return
        self.runs[self.request_of(first_id)] -= first.state != "PENDING"
        self.memory.released.discard(first_id)
        begin_time = self.memory.descriptors[first_id].begin_time
        self.memory.put(first_id, {"state": "PENDING", "nodes": None, "start_time": begin_time, "end_time": None})

    def submit_by_hand(self, job: JobDescriptor) -> str:
        """Another program's job; returns its id."""
        job_id = self._accept(job)
        self.foreign_ids.add(job_id)
        self.go_on()
        return job_id

    def _execute_backlog(self) -> None:
        backlog, self._backlog = self._backlog, []
        for sent in backlog:
            sent.job_id = self._accept(sent.job)

    def _accept(self, job: JobDescriptor) -> str:
        job_id = self.memory.submit(job, Deadline.after(1))
        self._accepted_at[job_id] = self.clock.now_seconds - self._stopped_seconds
        return job_id

    def _start_jobs(self) -> None:
        for job in self.jobs() if self.nodes_are_up else ():
            begin_time = self.memory.descriptors[job.job_id].begin_time or 0
            may_begin = begin_time <= self.clock.now_seconds or job.job_id in self.memory.released
            if job.state == "PENDING" and may_begin and self._may_follow(job):
                self.memory.put(job.job_id, {"state": "RUNNING", "nodes": "n1"})
                if job.job_id not in self.foreign_ids:
                    self.runs[self.request_of(job.job_id)] += 1

    def _may_follow(self, job: JobSnapshot) -> bool:
        """Whether the job that it depends on has succeeded. Where that cannot be any more, it is cancelled."""
        dependency = self.memory.descriptors[job.job_id].dependency
        if dependency is None:
            return True
        first = self.memory.find(dependency.partition(":")[2], Deadline.after(1))
        if first is None or (first.state in FINISHED_STATES and first.state != "COMPLETED"):
            self.memory.put(job.job_id, {"state": "CANCELLED", "state_reason": "DependencyNeverSatisfied"})
        return first is not None and first.state == "COMPLETED"


class Port(ObservedGateway):
    """One bridge's way to the cluster."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        super().__init__(cluster.memory)
        self._cluster = cluster

    @contextmanager
    def around(self, call: str) -> Iterator[None]:
        """See `ObservedGateway`."""
        if not self._cluster.call(Deadline.after(MESSAGE_SECONDS)):
            raise reading_error(*NO_ANSWER)
        yield
        self._cluster.go_on()

    def queue(self, deadline: Deadline, followed: Any = ()) -> QueueChange:
        """The whole queue each time: the bridges share one memory of what was told."""
        with self.around("queue"):
            self._cluster.memory.tell_all_again()
            return self._cluster.memory.queue(deadline, tuple[FollowedJob, ...](followed))

    def controller(self, deadline: Deadline) -> ControllerFacts:
        """See `Gateway`."""
        return replace(super().controller(deadline), rpc_limit=self._cluster.rpc_limit)

    def submit(self, descriptor: JobDescriptor, deadline: Deadline) -> str:
        """See `Gateway`."""
        if self._cluster.hold_back_submission and not self._cluster.hold_back(deadline):
            raise outcome_unknown("Slurm did not answer in time")
        sent = Sent(descriptor)
        if not self._cluster.call(deadline, sent):
            raise outcome_unknown("Slurm did not answer in time")
        assert sent.job_id is not None
        return sent.job_id


class SimulatedBridge:
    """What submits jobs, looks after them and tells of them, without threads and HTTP."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.ledger, locks = SubmissionLedger(), KeyLocks()
        self.trust = trust = ControllerTrust()
        gateway = WatchedGateway(Port(cluster), trust)
        open_chains = chain_recovery.OpenChains(REQUEST_SECONDS)
        self.cache = QueueCache(gateway, self.ledger, trust, max_waiting=1, observers=[open_chains.observe])
        history = key_history.KeyHistory(gateway, KEPT_HOURS)
        history.read()
        known = known_jobs.KnownJobs(self.cache, PastJobs(gateway), history, HASHES)
        job_sender = sender.JobSender(gateway, self.cache, trust, HASHES)
        chain_keeper = chain_recovery.ChainRecovery(gateway, known, open_chains)
        self.cancellations = cancellation.RecentCancellations(trust)
        self.recovery = recovery.JobRecovery(
            gateway, self.cache, self.ledger, trust, known, locks, job_sender, HASHES, chain_keeper, self.cancellations
        )
        factory = JobFactory.of(SETTINGS, HASHES)
        attempt_submitter = attempts.AttemptSubmitter(
            gateway, job_sender, self.cache, known, self.ledger, trust, self.recovery
        )
        self._submitter = submitter.JobSubmitter(
            factory,
            HASHES,
            attempt_submitter,
            chains.ChainSubmitter(
                factory,
                HASHES,
                gateway,
                attempt_submitter,
                self.cache,
                known,
                self.ledger,
                trust,
                locks,
                open_chains,
                0,
            ),
            self.cache,
            known,
            locks,
            pending_limit.PendingLimit(self.cache, self.ledger, None),
        )
        self._gateway = gateway

    def post(self, caller: str, key: str, body: int) -> str | None:
        """Submit; the id of the job that was promised. Raises `IdempotencyMismatchError`."""
        deadline = Deadline.after(REQUEST_SECONDS)
        try:
            submission = self._submitter.submit(qaqc_of(body), deadline, request_id="r", offered_key=key, caller=caller)
        except IdempotencyMismatchError:
            raise
        except BridgeError:
            return None
        return submission.job_id

    def post_chain(self, key: str, source: str) -> tuple[str, str | None] | None:
        """Submit a parse and the quality control that follows it; their ids, or `None`: there was no answer."""
        body = ParseRequest.model_construct(
            parser="P", target="sqlite:///x", source=source, thing_uuid=UUID(int=1), qaqc=True
        )
        deadline = Deadline.after(REQUEST_SECONDS)
        try:
            done = self._submitter.submit(body, deadline, request_id="r", offered_key=key, caller=None)
        except BridgeError:
            return None
        return done.job_id, done.follow_up_id

    def cancel(self, job_id: str) -> Request | None:
        """As a `DELETE` does. Whose job the bridge takes this one for; its request is given up."""
        view = self.cache.find(job_id)
        if view is None or view.is_finished:
            return None
        metadata = view.job.metadata
        self.ledger.withdraw(view.job.request)
        with suppress(BridgeError):
            self._gateway.cancel(view.job.cancellation(), Deadline.after(REQUEST_SECONDS))
        return metadata.by, metadata.key, metadata.digest

    def watched_requests(self) -> set[Request]:
        """Whose jobs it submits again if the controller loses them."""
        jobs = [job.metadata for job in self.ledger.unsaved()]
        return {(job.by, job.key, job.digest) for job in jobs}

    def look(self) -> None:
        """Look at the queue, as for a reader."""
        with suppress(BridgeError):
            self.cache.take_look(Deadline.after(REQUEST_SECONDS))

    def has_seen_end_of(self, metadata: JobMetadata) -> bool:
        """Whether it knows that this job has ended."""
        return any(job.is_finished and job.metadata == metadata for job in self.cache.with_key(metadata.key))


def qaqc_of(body: int) -> QaqcRequest:
    """One of several requests of a kind."""
    return QaqcRequest.model_construct(target="sqlite:////x.db", thing_uuid=UUID(int=body))


def request_for(caller: str, key: str, body: int) -> Request:
    """What stands in the comments of its jobs."""
    identity = HASHES.identity(qaqc_of(body), key, caller)
    return caller, identity.key, identity.digest


def copied(job: JobDescriptor) -> JobDescriptor:
    """What another program submits with the comment of a job."""
    return replace(job, begin_time=None)


def has_ended(job: JobSnapshot) -> bool:
    """Whether the job is in a state that it does not leave."""
    return job.state in FINISHED_STATES
