"""The JSON that the page for people is made of, beside that of jobs: see `response_models`."""

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from bridge.core.scopes import Scope
from bridge.http.documents.response_models import AsOf, Moment, Seconds

PageFileName = Annotated[
    str, Field(description="Name of the file", examples=["main.js"], pattern="^[a-z-]{1,40}[.](css|js|svg)$")
]
StepSeconds = Literal[60, 600]


class CallerDocument(TypedDict):
    """Who asks, and what that caller may do."""

    name: Annotated[str | None, Field(description="The caller; `null`: callers need no token", min_length=1)]
    scopes: Annotated[list[Scope], Field(description="What its token allows")]


class EndsDocument(TypedDict):
    """How many jobs ended, by how."""

    ended_well: Annotated[int, Field(ge=0)]
    failed: Annotated[int, Field(ge=0)]
    cancelled: Annotated[int, Field(ge=0)]
    unseen: Annotated[int, Field(description="They left the queue, and how they ended was not seen", ge=0)]


class DurationsDocument(TypedDict):
    """How long something took, in seconds; `null`: nothing was to be measured."""

    mean: Annotated[float | None, Field(description="The arithmetic mean", ge=0)]
    longest: Seconds | None


class PeriodDocument(EndsDocument):
    """What happened from `at` on, for `step_seconds`."""

    at: Moment
    waiting: Annotated[int, Field(description="How many jobs waited when the queue was last looked at in it", ge=0)]
    running: Annotated[int, Field(description="How many ran then", ge=0)]
    wait_seconds: Annotated[DurationsDocument, Field(description="How long the jobs had waited that began in it")]
    run_seconds: Annotated[DurationsDocument, Field(description="How long the jobs had run that ended in it")]


class HistoryDocument(TypedDict):
    """What became of the bridge's jobs in the last hour or day, from the service's own memory."""

    as_of: AsOf
    current: Annotated[bool, Field(description="Whether the controller answers; else this is its last word")]
    began_at: Annotated[Moment, Field(description="When the service was started: what was before is not known to it")]
    waiting: Annotated[int, Field(description="How many jobs wait", ge=0)]
    running: Annotated[int, Field(description="How many have begun and not ended", ge=0)]
    last_hour: Annotated[EndsDocument, Field(description="How jobs ended in the last hour")]
    last_day: Annotated[EndsDocument, Field(description="The same of the last day")]
    step_seconds: Annotated[StepSeconds, Field(description="How long each of `periods` is")]
    periods: Annotated[
        list[PeriodDocument],
        Field(description="The oldest first; those are missing in which the controller did not answer"),
    ]
