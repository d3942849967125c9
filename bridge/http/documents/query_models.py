"""What a client may ask about jobs: one pydantic model a route, and the reading of a query string into it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

import falcon
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from bridge.core.errors import InvalidRequestError
from bridge.core.text import CALLER_NAME, CALLER_NAME_RULE, RFC_3339_RULE, RFC_3339_TIME, anchored
from bridge.http.documents.request_body import ERRORS_MAX, field_error
from bridge.jobs.failures.causes import CAUSE
from bridge.jobs.failures.failures import FailureFilter
from bridge.jobs.requests.fields import ThingUuid
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.status.explanations import STATES
from bridge.jobs.status.lookup import JobFilter
from bridge.slurm.job_ids import CURSOR

WAIT_MAX_SECONDS = 300.0
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
TAIL_MAX_BYTES = 10**18 - 1  # no file is larger
IDS_MAX = 1000
PER_MINUTE_MAX = 100_000


def _check_kind(kind: str) -> str:
    if kind not in KIND_NAMES:
        raise ValueError(f"must be one of {', '.join(KIND_NAMES)}")
    return kind


def _check_state(state: str) -> str:
    if state not in STATES:
        raise ValueError(f"must be one of {', '.join(sorted(STATES))}")
    return state


def _check_caller(name: str) -> str:
    if not CALLER_NAME.fullmatch(name):
        raise ValueError(CALLER_NAME_RULE)
    return name


def _check_cause(cause: str) -> str:
    if not CAUSE.fullmatch(cause):
        raise ValueError("must be `cause` of a group of GET /failures")
    return cause


def _read_time(value: Any) -> Any:
    if not isinstance(value, str) or not RFC_3339_TIME.fullmatch(value):
        raise ValueError(f"{RFC_3339_RULE}; in an address `+` is written `%2B`")
    return value


def _read_cursor(value: Any) -> Any:
    if not isinstance(value, str) or not CURSOR.fullmatch(value):
        raise ValueError("must be `next_cursor` of an earlier answer")
    return value


def _read_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _read_seconds(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", value):
        raise ValueError("must be a number of seconds, given once")
    return value


def _read_count(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,17}", value):
        raise ValueError("must be a number, 1 or more, given once")
    return value


def _read_whole(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number:
        raise ValueError("must be a whole number")
    return value


def _check_past(moment: datetime) -> datetime:
    if moment > datetime.now(UTC):
        raise ValueError("must not lie in the future: a job that runs again would be found again")
    return moment


def _seconds_of(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _string(**rules: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **rules})


KindParameter = Annotated[
    str, AfterValidator(_check_kind), WithJsonSchema({"type": "string", "enum": list(KIND_NAMES)})
]
StateParameter = Annotated[
    str, AfterValidator(_check_state), WithJsonSchema({"type": "string", "enum": sorted(STATES)})
]
CauseParameter = Annotated[
    str, AfterValidator(_check_cause), WithJsonSchema({"type": "string", "pattern": anchored(CAUSE)})
]
CursorParameter = Annotated[
    str, BeforeValidator(_read_cursor), WithJsonSchema({"type": "string", "pattern": anchored(CURSOR)})
]
TimeParameter = Annotated[
    AwareDatetime,
    BeforeValidator(_read_time),
    _string(format="date-time", pattern=anchored(RFC_3339_TIME)),
]


class QueryModel(BaseModel):
    """A query string, or a body."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class JobQuery(QueryModel):
    """`GET /jobs/{id}`."""

    wait: Annotated[float, Field(ge=0, le=WAIT_MAX_SECONDS), BeforeValidator(_read_seconds)] = Field(
        0.0, description="For how many seconds the answer may be held back for the job's state to change", examples=[60]
    )


class OutputQuery(QueryModel):
    """`GET /jobs/{id}/stdout` and `/stderr`."""

    tail: Annotated[int, Field(ge=1, le=TAIL_MAX_BYTES), BeforeValidator(_read_count)] | None = Field(
        None, description="Only the last bytes, this many", examples=[300]
    )


class JobListQuery(QueryModel):
    """`GET /jobs`."""

    kind: KindParameter | None = Field(None, description="Only jobs of this kind", examples=["parse"])
    state: Annotated[tuple[StateParameter, ...], BeforeValidator(_read_list)] = Field(
        (), description="Only jobs in one of these of Slurm's states", examples=[["FAILED", "TIMEOUT"]]
    )
    thing_uuid: ThingUuid | None = Field(
        None, description="Only jobs for this thing", examples=["ce2b4fb6-d9de-11eb-a236-125e5a40a845"]
    )
    since: TimeParameter | None = Field(
        None, description="Only jobs submitted then or later (RFC 3339)", examples=["2026-01-01T00:00:00Z"]
    )
    caller: Annotated[str, AfterValidator(_check_caller), _string(pattern=anchored(CALLER_NAME))] | None = Field(
        None, description="Only jobs that this caller has submitted", examples=["dispatcher"]
    )
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(_read_count)] = Field(
        LIMIT_DEFAULT, description="How many at most", examples=[10]
    )
    cursor: CursorParameter | None = Field(
        None, description="`next_cursor` of the page before", examples=["1764396000.17"]
    )

    def filter(self) -> JobFilter:
        """Which jobs are asked for."""
        return JobFilter(self.kind, frozenset(self.state), self.thing_uuid, _seconds_of(self.since), self.caller)


class HistoryQuery(QueryModel):
    """`GET /history`."""

    span: Literal["hour", "day"] = Field("hour", description="How far `periods` reach back", examples=["day"])


class FailuresQuery(QueryModel):
    """`GET /failures`."""

    kind: KindParameter | None = Field(None, description="Only jobs of this kind", examples=["parse"])
    thing_uuid: ThingUuid | None = Field(
        None, description="Only jobs for this thing", examples=["ce2b4fb6-d9de-11eb-a236-125e5a40a845"]
    )
    since: TimeParameter | None = Field(
        None, description="Only jobs that ended then or later (RFC 3339)", examples=["2026-11-24T00:00:00Z"]
    )

    def filter(self) -> FailureFilter:
        """Which failures are asked for."""
        return FailureFilter(self.kind, thing_uuid=self.thing_uuid, since=_seconds_of(self.since))


class FailuresWanted(QueryModel):
    """Which failures are to run again."""

    cause: CauseParameter = Field(description="Jobs that ended for this cause", examples=["exit_code_75"])
    until: Annotated[TimeParameter, AfterValidator(_check_past)] = Field(
        description="Jobs that had ended by then (RFC 3339); the same call, made again, finds no job that has run "
        "again since",
        examples=["2026-11-24T01:11:00.120Z"],
    )
    kind: KindParameter | None = Field(None, description="Only jobs of this kind", examples=["parse"])
    node: str | None = Field(None, max_length=256, description="Only jobs that ran there", examples=["n1"])
    thing_uuid: ThingUuid | None = Field(
        None, description="Only jobs for this thing", examples=["ce2b4fb6-d9de-11eb-a236-125e5a40a845"]
    )
    since: TimeParameter | None = Field(
        None, description="Only jobs that ended then or later (RFC 3339)", examples=["2026-11-24T00:00:00Z"]
    )


class FailuresRetryQuery(QueryModel):
    """`POST /failures/retry`."""

    wanted: FailuresWanted = Field(
        alias="filter",
        description="Which jobs; `filter` of a group of `GET /failures`, narrowed down as you like",
        examples=[{"cause": "exit_code_75", "kind": "parse", "until": "2026-11-24T01:11:00.120Z"}],
    )
    dry_run: bool = Field(False, strict=True, description="Only tell which jobs would run again", examples=[True])
    per_minute: Annotated[int, Field(ge=1, le=PER_MINUTE_MAX), BeforeValidator(_read_whole)] | None = Field(
        None, description="How many of them may begin in a minute; left out, all at once", examples=[60]
    )

    def filter(self) -> FailureFilter:
        """Which failures are to run again."""
        wanted = self.wanted
        return FailureFilter(
            wanted.kind,
            wanted.cause,
            wanted.node,
            wanted.thing_uuid,
            since=_seconds_of(wanted.since),
            until=wanted.until.timestamp(),
        )


class JobIdsQuery(QueryModel):
    """`POST /jobs/query`."""

    ids: list[str] = Field(max_length=IDS_MAX, description="Ids of jobs", examples=[["17", "99"]])


Q = TypeVar("Q", bound=QueryModel)


def read_query(model: type[Q], request: falcon.Request) -> Q:
    """The question in the query string. Raises `InvalidRequestError` with the parameters at fault."""
    try:
        return model.model_validate(request.params)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    raise InvalidRequestError([field_error(detail) for detail in details[:ERRORS_MAX]])
