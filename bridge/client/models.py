"""What the bridge answers, as typed records: those members of its JSON documents that its clients work with.

`GET /openapi.json` describes every member. A member that is not known here is ignored: a newer bridge may send more.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Stream = Literal["stdout", "stderr"]
Kind = Literal["parse", "qaqc"]
Lane = Literal["live", "bulk"]


class JobReference(msgspec.Struct, frozen=True, kw_only=True):
    """Another job."""

    job_id: str


class Submission(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A job that was submitted, now or by an earlier request with the same key."""

    job_id: str
    kind: str
    thing_uuid: UUID
    state: str
    request_id: str
    qaqc: JobReference | None = None  # the quality-control job that follows it


class BatchJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The job of one item of a batch."""

    index: int  # the item's place in the batch
    job_id: str
    qaqc: JobReference | None = None  # the quality-control job that follows it


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that were submitted together, now or by an earlier request with the same key."""

    kind: str
    lane: str
    request_id: str
    array_job_ids: tuple[str, ...]
    jobs: tuple[BatchJob, ...]  # one an item, in their order


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """How a job stands. Times are in UTC; what is not known yet is `None`."""

    job_id: str
    kind: str
    thing_uuid: UUID
    request_id: str
    state: str  # Slurm's word
    state_reason: str | None
    finished: bool
    succeeded: bool
    exit_code: int | None
    signal: int | None
    submit_time: datetime | None
    start_time: datetime | None
    end_time: datetime | None
    queue_seconds: float | None
    run_seconds: float | None
    nodes: str | None
    partition: str | None
    restarts: int
    explanation: str  # why it waits, or why it ended as it did, in one sentence
    source: str  # who says so: controller, accounting or memory
    as_of: datetime
    array_job_id: str | None = None  # of the array that it is an element of; older bridges do not say
    lane: str = "live"
    attempt: int = 1  # which of its runs this is; older bridges do not say
    attempts_max: int | None = None  # how many it may have, after faults that may pass
    expected_start_time: datetime | None = None  # an estimate of Slurm's, of a job that waits
    time_limit_seconds: int | None = None
    cpu_seconds: int | None = None  # of its processes, as the next; `None`: accounting has not told
    max_memory_bytes: int | None = None  # resident, at most
    caller: str | None = None  # who has submitted it; `None`: callers need no token, or an older bridge
    after_job_ids: tuple[str, ...] = ()  # the job that has to succeed before this one runs; of several, all have to end
    replaced_by_job_id: str | None = None  # the job that took over the work of this one; this one was cancelled

    @property
    def is_lost(self) -> bool:
        """Whether Slurm has forgotten the job and its end was not seen: there will be no more news of it."""
        return self.source == "memory" and not self.finished

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.finished or self.is_lost


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list, the newest job first."""

    jobs: tuple[Job, ...]
    next_cursor: str | None  # of the next page; `None`: there are no more
    missing: str | None  # what could not be looked into, and why


class NodeFailures(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a group failed on a node; `None`: they never ran."""

    node: str | None
    count: int


class ThingFailures(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a group failed for a thing."""

    thing_uuid: UUID
    count: int


class FailureFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which failures are to run again: those that had ended by `until`, for this cause."""

    cause: str
    until: datetime
    kind: str | None = None
    node: str | None = None
    thing_uuid: UUID | None = None
    since: datetime | None = None


class FailureGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of one kind that ended badly for one cause."""

    kind: str
    cause: str  # `exit_code_75`, `time_limit`, …
    count: int
    runnable: int  # how many of them Slurm remembers, and can run again
    first_end_time: datetime | None
    last_end_time: datetime | None
    nodes: tuple[NodeFailures, ...]  # most first
    things: tuple[ThingFailures, ...]  # most first, some at most
    things_count: int
    example: Job  # the last that ended
    filter: FailureFilter  # to run them again with


class Failures(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that ended badly, in groups, the largest first."""

    groups: tuple[FailureGroup, ...]
    count: int
    complete_since: datetime  # what ended before may be missing
    as_of: datetime


class RunAgain(msgspec.Struct, frozen=True, kw_only=True):
    """A job that runs again."""

    job_id: str


class NotRunAgain(msgspec.Struct, frozen=True, kw_only=True):
    """A job that does not run again, and why."""

    job_id: str
    detail: str


class Rerun(msgspec.Struct, frozen=True, kw_only=True):
    """What became of jobs that were to run again."""

    dry_run: bool  # nothing was done
    count: int
    jobs: tuple[RunAgain, ...]
    refused: tuple[NotRunAgain, ...]
    left: int  # there was no time for: make the same call again


class FieldFault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing wrong with a request."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why the bridge did not do what it was asked (RFC 9457)."""

    type: str  # `urn:tsm-slurm-bridge:…`
    title: str
    status: int
    detail: str
    request_id: str = ""
    retryable: bool = False
    errors: tuple[FieldFault, ...] = ()

    def __str__(self) -> str:
        faults = "".join(f" `{fault.field}` {fault.message}." for fault in self.errors)
        return f"{self.title}: {self.detail}{faults}"


class JobQueryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for one of many ids: `job`, or the `problem` with it."""

    job_id: str
    status: int
    job: Job | None = None
    problem: Problem | None = None


class JobQueryResults(msgspec.Struct, frozen=True, kw_only=True):
    """The answers for many ids, in the order asked."""

    results: tuple[JobQueryResult, ...]
