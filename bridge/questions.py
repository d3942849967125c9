"""What a client may ask about jobs: one pydantic model a route, and the reading of a query string into it."""

import re
from typing import Annotated, Any, TypeVar

import falcon
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bridge.errors import InvalidRequestError
from bridge.explanations import STATES
from bridge.inquiries import JobFilter
from bridge.job_ids import is_job_id
from bridge.requests import ThingUuid, field_error
from bridge.settings import KINDS

WAIT_MAX_SECONDS = 300.0
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
IDS_MAX = 1000

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


def _check_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return kind


def _check_state(state: str) -> str:
    if state not in STATES:
        raise ValueError(f"must be one of {', '.join(sorted(STATES))}")
    return state


def _read_time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time (RFC 3339), e.g. 2026-01-02T03:04:05Z; in an address `+` is written `%2B`")
    return value


def _read_cursor(value: Any) -> Any:
    if not isinstance(value, str) or not is_job_id(value):
        raise ValueError("must be `next_cursor` of an earlier answer")
    return value


def _read_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _read_seconds(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        raise ValueError("must be a number of seconds, given once")
    return value


def _read_count(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,17}", value):
        raise ValueError("must be a number, 1 or more, given once")
    return value


class Question(BaseModel):
    """A query string, or a body."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class JobQuestion(Question):
    """`GET /jobs/{id}`."""

    # For how many seconds the answer may be held back for the job's state to change.
    wait: Annotated[float, BeforeValidator(_read_seconds), Field(le=WAIT_MAX_SECONDS)] = 0.0


class OutputQuestion(Question):
    """`GET /jobs/{id}/stdout` and `/stderr`."""

    tail: Annotated[int, BeforeValidator(_read_count)] | None = None  # bytes


class ListQuestion(Question):
    """`GET /jobs`."""

    kind: Annotated[str, AfterValidator(_check_kind)] | None = None
    state: Annotated[frozenset[Annotated[str, AfterValidator(_check_state)]], BeforeValidator(_read_list)] = frozenset()
    thing_uuid: ThingUuid | None = None
    since: Annotated[AwareDatetime, BeforeValidator(_read_time)] | None = None
    limit: Annotated[int, BeforeValidator(_read_count), Field(le=LIMIT_MAX)] = LIMIT_DEFAULT
    cursor: Annotated[str, BeforeValidator(_read_cursor)] | None = None

    def filter(self) -> JobFilter:
        """Which jobs are asked for."""
        since = None if self.since is None else self.since.timestamp()
        return JobFilter(self.kind, self.state, self.thing_uuid, since)


class IdsQuestion(Question):
    """`POST /jobs/query`."""

    ids: Annotated[list[str], Field(max_length=IDS_MAX)]


Q = TypeVar("Q", bound=Question)


def read_query(model: type[Q], request: falcon.Request) -> Q:
    """The question in the query string. Raises `InvalidRequestError` with every parameter at fault."""
    try:
        return model.model_validate(request.params)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    raise InvalidRequestError([field_error(detail) for detail in details])
