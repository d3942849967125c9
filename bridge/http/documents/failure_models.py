"""The JSON about jobs that ended badly, beside that of jobs: see `response_models`."""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from bridge.core.text import anchored
from bridge.http.documents.response_models import AsOf, Href, JobDocument, JobId, KindName, Moment, ThingId, member
from bridge.jobs.failures.causes import CAUSE

Cause = Annotated[
    str,
    member("Why they ended: `exit_code_N`, `signal_N`, or in a word", "exit_code_75", pattern=anchored(CAUSE)),
]
Count = Annotated[int, member("How many jobs", 12, minimum=0)]


class NodeFailuresDocument(TypedDict):
    """How many of a group failed on a node."""

    node: Annotated[str | None, member("The node, or the nodes; `null`: they never ran", "n1")]
    count: Count


class ThingFailuresDocument(TypedDict):
    """How many of a group failed for a thing."""

    thing_uuid: ThingId
    count: Count


class FailureFilterDocument(TypedDict):
    """What `POST /failures/retry` takes, to run the group again."""

    cause: Cause
    until: Annotated[Moment, member("They had ended by then", "2026-11-24T00:59:07.113Z")]
    kind: KindName
    thing_uuid: NotRequired[ThingId]
    since: NotRequired[Annotated[Moment, member("They ended then or later", "2026-11-24T00:00:00Z")]]


class FailureGroupDocument(TypedDict):
    """Jobs of one kind that ended badly for one cause."""

    kind: KindName
    cause: Cause
    count: Count
    runnable: Annotated[int, member("How many of them Slurm remembers, and can run again", 12, minimum=0)]
    first_end_time: Annotated[Moment | None, member("When the first of them ended", "2026-11-24T00:59:03Z")]
    last_end_time: Annotated[Moment | None, member("When the last of them ended", "2026-11-24T00:59:03Z")]
    nodes: Annotated[list[NodeFailuresDocument], Field(description="On which nodes, most first")]
    things: Annotated[list[ThingFailuresDocument], Field(description="For which things, most first; 100 at most")]
    things_count: Annotated[int, member("For how many things", 1, minimum=0)]
    example: Annotated[JobDocument, Field(description="The last of them that ended")]
    filter: FailureFilterDocument


class FailuresDocument(TypedDict):
    """Jobs that ended badly, in groups, the largest first."""

    groups: list[FailureGroupDocument]
    count: Annotated[int, member("How many jobs all groups have", 12, minimum=0)]
    complete_since: Annotated[Moment, member("What ended before may be missing", "2026-11-23T09:00:00Z")]
    as_of: AsOf


class RunAgainDocument(TypedDict):
    """A job that runs again."""

    job_id: JobId
    href: Href


class NotRunAgainDocument(TypedDict):
    """A job that does not run again."""

    job_id: JobId
    detail: Annotated[str, member("Why not", "The job is in the queue again already.", minLength=1)]


class FailuresRetryDocument(TypedDict):
    """What became of jobs that were to run again, the first that ended first."""

    dry_run: Annotated[bool, member("Whether nothing was done", False)]
    count: Annotated[int, member("How many run again", 12, minimum=0)]
    jobs: list[RunAgainDocument]
    refused: list[NotRunAgainDocument]
    left: Annotated[int, member("How many there was no time for: make the same call again", 0, minimum=0)]
