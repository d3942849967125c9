"""The fields of requests: pydantic types, with the rules of the contract and those of the operator."""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from bridge.core.text import RFC_3339_RULE, RFC_3339_TIME, anchored
from bridge.policy.uris import UriRules, check_source, check_target

ITEMS_MAX = 1000  # of a request, unless the operator says otherwise

PARSER_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"

# A name that people chose for settings: any text but control characters (C0, DEL, C1).
_SETTINGS_NAME = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,200}")

# RFC 4122, section 3: 8-4-4-4-12 hexadecimal digits in either case, alone or as a URN. Looser forms are typing errors.
_UUID_TEXT = re.compile(r"(?:urn:uuid:)?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RequestRules:
    """The operator's part of the rules. `parsers` is `None` where any well-formed parser name is allowed."""

    parsers: frozenset[str] | None
    targets: UriRules
    sources: UriRules
    items_max: int = ITEMS_MAX  # of a batch


@dataclass(frozen=True, slots=True)
class BodyContext:
    """What is known while a body is read into its model: pydantic's `context`.

    `rules` are there where the model has fields that they are about.
    """

    rules: RequestRules | None
    checked_targets: set[str] = field(default_factory=set)  # those in it that are in order: a batch mostly has one


def _context(info: ValidationInfo) -> BodyContext:
    return cast(BodyContext, info.context)


def _rules(info: ValidationInfo) -> RequestRules:
    return cast(RequestRules, _context(info).rules)


def _check_parser(parser: str, info: ValidationInfo) -> str:
    allowed = _rules(info).parsers
    if allowed is not None and parser not in allowed:
        raise ValueError(f"must be one of {', '.join(sorted(allowed))}")
    return parser


def _check_target(uri: str, info: ValidationInfo) -> str:
    checked = _context(info).checked_targets
    if uri not in checked:
        checked.add(check_target(uri, _rules(info).targets))
    return uri


def _check_source(uri: str, info: ValidationInfo) -> str:
    return check_source(uri, _rules(info).sources)


def _read_uuid(value: Any) -> Any:
    if isinstance(value, str) and not _UUID_TEXT.fullmatch(value):
        raise ValueError("must be a UUID (RFC 4122), e.g. ce2b4fb6-d9de-11eb-a236-125e5a40a845")
    return value.lower() if isinstance(value, str) else value  # pydantic knows the prefix in lower case only


def _read_time(value: Any) -> Any:
    if not isinstance(value, str) or not RFC_3339_TIME.fullmatch(value):
        raise ValueError(RFC_3339_RULE)
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 in UTC") from None


def _check_settings_name(name: str) -> str:
    if not _SETTINGS_NAME.fullmatch(name):
        raise ValueError("must be 1 to 200 characters without control characters")
    return name


# The operator's rules for a field are added to its schema by `bridge.http.openapi.schemas`.
ParserName = Annotated[str, Field(pattern=PARSER_PATTERN), AfterValidator(_check_parser)]
TargetUri = Annotated[str, AfterValidator(_check_target)]
SourceUri = Annotated[str, AfterValidator(_check_source)]
ThingUuid = Annotated[
    UUID, BeforeValidator(_read_uuid), WithJsonSchema({"type": "string", "pattern": anchored(_UUID_TEXT)})
]
Moment = Annotated[
    AwareDatetime,
    Field(strict=False),  # strict, it takes no text; `_read_time` lets nothing else pass
    BeforeValidator(_read_time),
    AfterValidator(_in_utc),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": anchored(RFC_3339_TIME)}),
]
SettingsName = Annotated[
    str,
    AfterValidator(_check_settings_name),
    WithJsonSchema({"type": "string", "pattern": anchored(_SETTINGS_NAME)}),
]
