"""What is put right after a controller was silent or crashed.

Duplicates are cancelled, lost jobs submitted again, and jobs that a client had cancelled are cancelled again.

Duplicates: a stopped controller may execute, when it goes on, a submission that was given up and repeated meanwhile.
Losses: slurmctld saves its queue every five seconds; a crash forgets the jobs that it has accepted since, and gives
their ids to others.
"""

import logging
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

from msgspec.structs import replace

from bridge.core.deadline import Deadline
from bridge.core.errors import (
    BridgeError,
    ControllerUnreachableError,
    OutcomeUnknownError,
    OverloadedError,
    SlurmRefusedError,
    TooManyRequestsError,
)
from bridge.core.key_locks import KeyLocks
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.job_view import Job
from bridge.jobs.status.ledger import AcceptedJob, SubmissionLedger
from bridge.jobs.status.past_jobs import FIND_SECONDS
from bridge.jobs.status.queue_cache import QueueCache
from bridge.jobs.submission.arrays import by_array, cancellation_of, indices_of
from bridge.jobs.submission.cancellation import CancelledJob, RecentCancellations
from bridge.jobs.submission.chain_recovery import ChainRecovery
from bridge.jobs.submission.duplicates import superfluous_duplicates
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.sender import JobSender
from bridge.slurm.gateway import Gateway
from bridge.slurm.job_ids import index_of, whole_id

log = logging.getLogger(__name__)

RPC_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)
WATCH_SECONDS = 10.0  # for how long after a silence duplicates are looked for


@dataclass(frozen=True, slots=True)
class RecoveryPauses:
    """Between two checks, in seconds: the pause doubles while all is well."""

    min_seconds: float = 0.5
    max_seconds: float = 2.0


USUAL_PAUSES = RecoveryPauses()


class JobRecovery:
    """A thread that watches the controller while there is anything it could still lose or double."""

    def __init__(
        self,
        gateway: Gateway,
        cache: QueueCache,
        ledger: SubmissionLedger,
        trust: ControllerTrust,
        known_jobs: KnownJobs,
        key_locks: KeyLocks,
        sender: JobSender,
        hashes: IdentityHashes,
        chains: ChainRecovery,
        cancellations: RecentCancellations,
        pauses: RecoveryPauses = RecoveryPauses(),
    ) -> None:
        self._gateway = gateway
        self._cache = cache
        self._ledger = ledger
        self._trust = trust
        self._known_jobs = known_jobs
        self._key_locks = key_locks
        self._sender = sender
        self._hashes = hashes
        self._chains = chains
        self._cancellations = cancellations
        self._pauses = pauses
        self._pause_seconds = pauses.min_seconds
        self._wake = threading.Event()
        self._is_closed = False
        # Of lost jobs, by the ids that they had, which come again, and when the controller was started that gave them.
        self._new_ids: dict[tuple[str, int | None], str] = {}
        self.duplicates_cancelled = 0  # since the start, as the next
        self.lost_resubmitted = 0
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)

    def start(self) -> None:
        """Begin to watch; what an earlier bridge left behind is put right first."""
        self._thread.start()
        self._wake.set()

    def close(self) -> None:
        """Stop watching."""
        self._is_closed = True
        self._wake.set()

    def wake(self) -> None:
        """There is a job in the ledger to watch over."""
        if not self._wake.is_set():
            self._wake.set()

    def hurry(self) -> None:
        """The controller was silent: check it again soon."""
        self._pause_seconds = self._pauses.min_seconds
        self._wake.set()

    def _run(self) -> None:
        while not self._is_closed:
            self._wake.wait()
            self._wake.clear()
            self._pause_seconds = self._pauses.min_seconds
            while not self._is_closed and not self._is_done():
                try:
                    self.check()
                except Exception:  # this thread has to go on, or jobs are lost and doubled from now on
                    log.exception("bug")
                time.sleep(self._pause_seconds)
                self._pause_seconds = min(2 * self._pause_seconds, self._pauses.max_seconds)

    def _is_done(self) -> bool:
        has_work = self._ledger.has_unsaved or self._chains.has_work or self._cancellations
        return not (has_work or self._trust.was_silent_within(WATCH_SECONDS))

    def check(self) -> None:
        """Put right what can be put right now."""
        deadline = Deadline.after(RPC_SECONDS)
        try:
            facts = self._gateway.controller(deadline)
            self._cache.note_controller(facts)
            self._notice_crash(facts.booted_at)
            unsaved = self._ledger.unsaved()
            unconfirmed = [job for job in unsaved if job.may_have_duplicate]
            in_danger = [job for job in unsaved if job.booted_at != self._trust.booted_at]
            undone = self._cancellations.in_danger()
            is_suspicious = self._chains.has_work or self._trust.was_silent_within(WATCH_SECONDS)
            if unconfirmed or in_danger or undone or is_suspicious:
                self._cache.take_trusted_look(deadline)
                self._cancel_duplicates(deadline)
                for job in unconfirmed:
                    job.may_have_duplicate = False
                self._cancel_again(undone, deadline)
                self._submit_lost(in_danger)
                self._chains.settle(deadline)
            if (answering_since := self._trust.answering_since_seconds) is not None:
                self._ledger.forget_saved(answering_since)
                self._cancellations.forget_saved(answering_since)
        except (ControllerUnreachableError, OutcomeUnknownError) as error:
            log.debug("the controller is still being waited for", extra={"detail": str(error)})
            self.hurry()
        except OverloadedError as error:
            log.debug("the reader is busy", extra={"detail": str(error)})

    def _notice_crash(self, booted_at: int) -> None:
        if self._trust.note_boot(booted_at):
            log.warning("the controller was restarted", extra={"booted_at": booted_at})
            self._trust.note_silence()
            self.hurry()
        for job in self._ledger.unsaved():
            job.booted_at = job.booted_at or booted_at

    def _cancel_duplicates(self, deadline: Deadline) -> None:
        sharing = self._cache.sharing_a_key()
        duplicates = [job for jobs in sharing for job in superfluous_duplicates(jobs, self._hashes)]
        for together in by_array(duplicates, lambda job: job.id):
            # The cache is some milliseconds old. A job that runs by now is not the one to cancel: of two bridges that
            # see different moments each would cancel the other's choice.
            if self._gateway.cancel(cancellation_of(together, only_waiting=True), deadline):
                self.duplicates_cancelled += len(together)
                for job in together:
                    log.warning("cancelled a duplicate", extra={"job_id": job.id, "key": job.key})

    def _cancel_again(self, cancelled: list[CancelledJob], deadline: Deadline) -> None:
        """Cancel jobs again that the controller shows as not cancelled, unless somebody has run them again since."""
        now_seconds = time.monotonic()
        for one in cancelled:
            view = self._cache.find(one.job.id)
            is_undone = view and view.job.is_same(one.job) and view.job.attempt <= one.job.attempt
            if is_undone and view and view.may_be_cancelled:
                if not self._gateway.cancel(view.job.cancellation(), deadline):
                    continue
                log.warning("cancelled a job again, which the controller had forgotten", extra={"job_id": one.job.id})
            one.booted_at, one.at_seconds = self._trust.booted_at, now_seconds

    def _submit_lost(self, in_danger: list[AcceptedJob]) -> None:
        lost = [job for job in in_danger if self._is_lost(job)]
        if not lost:
            return
        deadline = Deadline.after(RPC_SECONDS)
        with ExitStack() as locks:
            for key in sorted({job.metadata.key for job in lost}):
                locks.enter_context(self._key_locks.hold(key, deadline))
            self._cache.take_trusted_look(deadline)
            still_lost = [job for job in lost if self._is_lost(job)]  # the clients of the others were faster
            for together in by_array(still_lost, lambda job: job.job_id):
                alike: dict[tuple[JobMetadata, str | None] | None, list[AcceptedJob]] = {}
                for job in together:
                    if self._is_first_to_come_back(job):
                        self._ledger.postpone(job)
                    else:
                        alike.setdefault(self._tie(job), []).append(job)
                for tie, jobs in alike.items():
                    self._submit_again(jobs, tie, Deadline.after(RPC_SECONDS))

    def _is_lost(self, job: AcceptedJob) -> bool:
        """Not in the queue, and has not ended. As long as accounting cannot be asked, that is not known."""
        try:
            is_known = self._known_jobs.have(job.job_id, job.metadata, Deadline.after(FIND_SECONDS))
        except BridgeError as error:
            log.warning("a lost job may have ended", extra={"job_id": job.job_id, "detail": str(error)})
            self._ledger.postpone(job)
            return False
        if is_known:
            job.booted_at = self._trust.booted_at  # so it is no matter for the controller that runs now
        return not is_known

    def _tie(self, job: AcceptedJob) -> tuple[JobMetadata, str | None] | None:
        """Metadata of a lost job, and its dependency, which may have got another id. `None`: it is not to run."""
        if job.first is None:
            return job.metadata, job.descriptor.dependency
        first = self._first_of(job.first, index_of(job.job_id))
        is_shared = (job.metadata.dependency or "").startswith("afterany")
        has_failed = first is None or (first.is_finished and first.state != "COMPLETED")
        if has_failed and not is_shared:
            return None
        if first is None or first.metadata == job.first:
            metadata = job.metadata
        elif self._known_jobs.follow_up_of(first):
            return None
        else:
            metadata = replace(job.metadata, key=self._hashes.follow_up_key(first.metadata))
        *others, own_id = (job.metadata.after or "").split(",")
        others = [self._new_ids.get((other, job.booted_at), other) for other in others]
        after = ",".join([*others, whole_id(first.id) if first else own_id])
        has_succeeded = not is_shared and first is not None and first.is_finished
        metadata = replace(metadata, after=after)
        return metadata, None if has_succeeded else metadata.dependency

    def _is_first_to_come_back(self, job: AcceptedJob) -> bool:
        """Whether the job that it follows is lost, and has not been submitted again yet."""
        if job.first is None:
            return False
        index = index_of(job.job_id)
        is_awaited = self._ledger.of_request((job.first.key_of(index), job.first.digest)) is not None
        return is_awaited and self._first_of(job.first, index) is None

    def _first_of(self, first: JobMetadata, index: int | None) -> Job | None:
        """The job of a request, of which this was the latest attempt known here: another bridge may have made one."""
        key = first.key_of(index)
        accepted = self._ledger.of_request((key, first.digest))
        view = self._cache.find(accepted.job_id) if accepted else None
        if accepted and view and not view.is_lost and view.job.metadata == accepted.metadata:
            return view.job
        jobs = [job for job in self._cache.with_key(key) if job.metadata.digest == first.digest]
        return next((job for job in jobs if job.state != "CANCELLED"), None)

    def _submit_again(
        self, jobs: list[AcceptedJob], tie: tuple[JobMetadata, str | None] | None, deadline: Deadline
    ) -> None:
        """Submit a job again, or those elements of an array that are lost, as an array without the others."""
        job = jobs[0]
        identity = {"lost_job_id": job.job_id, "key": job.metadata.key}
        if tie is None:
            log.warning("a lost job has none to follow, or another follows it: it is given up", extra=identity)
            for job in jobs:
                self._ledger.withdraw(job.request)
            return
        tied, dependency = tie
        metadata = replace(tied, tag=self._hashes.new_tag(tied.key, tied.digest))
        indices = indices_of(job.job_id for job in jobs)
        descriptor = replace(job.descriptor, comment=metadata.to_json(), indices=indices, dependency=dependency)
        try:
            job_id = self._sender.send(descriptor, deadline)
        except TooManyRequestsError as error:
            log.warning("a lost job has to wait", extra={**identity, "detail": str(error)})
            for job in jobs:
                self._ledger.postpone(job)
        except SlurmRefusedError as error:
            log.warning("a lost job was refused and is given up", extra={**identity, "detail": str(error)})
            for job in jobs:
                self._ledger.withdraw(job.request)
        else:
            self.lost_resubmitted += len(jobs)
            log.warning("submitted a lost job again", extra={**identity, "job_id": job_id})
            for job in jobs:
                self._ledger.withdraw(job.request)
            self._ledger.accept(descriptor, metadata, job_id, self._trust.booted_at, first=jobs[0].first)
            self.wake()
            if other := self._sender.give_way(job_id, metadata, deadline, indices):
                job_id = whole_id(other.id)
                self._ledger.accept(descriptor, other.metadata, job_id, self._trust.booted_at, first=jobs[0].first)
            self._new_ids[whole_id(jobs[0].job_id), jobs[0].booted_at] = job_id
