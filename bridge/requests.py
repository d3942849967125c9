"""What a client may ask: one pydantic model a job kind, and the reading of a request body into it."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar, cast
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import ErrorDetails

from bridge.errors import FieldError, InvalidRequestError, MalformedJsonError
from bridge.patterns import whole
from bridge.uris import UriRules, check_source, check_target

PARSER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"
ERRORS_MAX = 100  # in one answer

# RFC 4122, section 3: 8-4-4-4-12 hexadecimal digits in either case, alone or as a URN. Looser forms are typing errors.
_UUID_TEXT = re.compile(r"(?:urn:uuid:)?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RequestRules:
    """The operator's part of the rules. `parsers` is `None` where any well-formed parser name is allowed."""

    parsers: frozenset[str] | None
    targets: UriRules
    sources: UriRules


def _rules(info: ValidationInfo) -> RequestRules:
    rules: RequestRules = cast(dict[str, Any], info.context)["rules"]
    return rules


def _check_parser(parser: str, info: ValidationInfo) -> str:
    allowed = _rules(info).parsers
    if allowed is not None and parser not in allowed:
        raise ValueError(f"must be one of {', '.join(sorted(allowed))}")
    return parser


def _check_target(uri: str, info: ValidationInfo) -> str:
    return check_target(uri, _rules(info).targets)


def _check_source(uri: str, info: ValidationInfo) -> str:
    return check_source(uri, _rules(info).sources)


def _read_uuid(value: Any) -> Any:
    if isinstance(value, str) and not _UUID_TEXT.fullmatch(value):
        raise ValueError("must be a UUID (RFC 4122), e.g. ce2b4fb6-d9de-11eb-a236-125e5a40a845")
    return value


# What the operator rules of a field, `bridge.openapi.schemas` adds to its schema.
Parser = Annotated[str, Field(pattern=PARSER_PATTERN), AfterValidator(_check_parser)]
Target = Annotated[str, AfterValidator(_check_target)]
Source = Annotated[str, AfterValidator(_check_source)]
ThingUuid = Annotated[
    UUID, BeforeValidator(_read_uuid), WithJsonSchema({"type": "string", "pattern": whole(_UUID_TEXT)})
]


class RunRequest(BaseModel):
    """What every job kind asks for: which thing, in which datastore."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)
    kind: ClassVar[str]  # also the job's name and the stem of its script template

    target: Target = Field(  # holds a password
        repr=False,
        description="URI (RFC 3986) of the thing's datastore; its host is one that the operator allows",
        examples=["postgresql://tsm:invented@db.example/tsm"],
    )
    thing_uuid: ThingUuid = Field(
        description="UUID (RFC 4122) of the thing", examples=["ce2b4fb6-d9de-11eb-a236-125e5a40a845"]
    )

    def environment(self) -> dict[str, str]:
        """The request as the job's environment: the only way in which it reaches the compute node."""
        return {"TSM_TARGET": self.target, "TSM_THING_UUID": str(self.thing_uuid)}


class ParseRequest(RunRequest):
    """Parse the raw file at `source` into the thing's datastore at `target`."""

    kind = "parse"

    parser: Parser = Field(description="Name of the extractor's parser", examples=["CsvParser"])
    source: Source = Field(  # its query string may be a credential
        repr=False,
        description="URI (RFC 3986) of the raw file; its host is one that the operator allows",
        examples=["https://storage.example/bucket/file.csv?signature=invented"],
    )

    def environment(self) -> dict[str, str]:
        """See `RunRequest`."""
        return {**super().environment(), "TSM_PARSER": self.parser, "TSM_SOURCE": self.source}


class QaqcRequest(RunRequest):
    """Run quality control on the thing's data in the datastore at `target`."""

    kind = "qaqc"


M = TypeVar("M", bound=BaseModel)


def read_request(model: type[M], body: bytes, rules: RequestRules | None = None) -> M:
    """The request in `body`; `rules` for those whose model has fields that they are about.

    Raises `MalformedJsonError` where it is not a JSON object in UTF-8, `InvalidRequestError` with every field at fault.
    """
    try:
        return model.model_validate_json(body, context={"rules": rules})
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    if any(detail["type"] == "json_invalid" or not detail["loc"] for detail in details):
        raise MalformedJsonError("The body must be one JSON object in UTF-8.")
    raise InvalidRequestError([field_error(detail) for detail in details[:ERRORS_MAX]])


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field of this request",
    "string_type": "must be a string",
    "string_pattern_mismatch": f"must match {PARSER_PATTERN}",
    "uuid_type": "must be a string that holds a UUID (RFC 4122)",
}


def field_error(detail: ErrorDetails) -> FieldError:
    """What pydantic found wrong, in our words where its own are for programmers."""
    field = ".".join(str(part) for part in detail["loc"])
    message = _MESSAGES.get(detail["type"]) or detail["msg"].removeprefix("Value error, ")
    return FieldError(field[:100], message)
