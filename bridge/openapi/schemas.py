"""JSON Schemas (2020-12) of what clients send and get, made of the models that validate and of the TypedDicts."""

from collections.abc import Iterable
from copy import deepcopy
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from bridge.documents import ProblemDocument
from bridge.errors import BridgeError, InvalidRequestError, OutcomeUnknownError
from bridge.problems import TYPE_PREFIX
from bridge.requests import RequestRules
from bridge.uris import SOURCE_MAX_BYTES, TARGET_MAX_BYTES, URI_CHARACTER, is_sqlite

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"

# RFC 3986, section 3.2, of a URI that names a host as `bridge.hosts` takes it: user, host (a name, or an address as
# 192.0.2.1 or in brackets) and port. Which hosts are open is the operator's to say; no pattern does.
_USER = r"(?:(?:[A-Za-z0-9\-._~!$&'()*+,;=:]|%[0-9A-Fa-f]{2})*@)?"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LAST_LABEL = r"[A-Za-z_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NUMBER = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_HOST = rf"(?:(?:{_LABEL}\.)*{_LAST_LABEL}\.?|(?:{_NUMBER}\.){{3}}{_NUMBER}|\[[0-9A-Fa-f:.]+\])"
_PORT = r"(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
_AUTHORITY = _USER + _HOST + _PORT
# What may follow the host of a target: no `@` and no `#`, in which programs look for a password and an option.
_BEYOND_TARGET = r"(?:[/?](?:[A-Za-z0-9\-._~:/?\[\]!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)?"
_BEYOND_SOURCE = f"(?:[/?#]{URI_CHARACTER}*)?"
_PATH = r"(?:localhost)?/(?:[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*"

# The members of a problem that only these have.
_OWN_MEMBERS = {"errors": InvalidRequestError, "idempotency_key": OutcomeUnknownError}


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out the titles of fields, which say their names again."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """See `GenerateJsonSchema`."""
        return False


def schema_of(shape: Any, mode: JsonSchemaMode = "serialization") -> tuple[Schema, dict[str, Schema]]:
    """The schema of a model or TypedDict, and the schemas that it refers to by name."""
    schema = TypeAdapter(shape).json_schema(
        ref_template=SCHEMAS + "{model}", mode=mode, schema_generator=_WithoutTitles
    )
    return schema, schema.pop("$defs", {})


def request_schema(model: type[BaseModel], rules: RequestRules) -> Schema:
    """The schema of a body, with what the operator rules of its fields."""
    schema, _ = schema_of(model, "validation")
    for name, rule in _operator_rules(rules).items():
        if name in schema["properties"]:
            schema["properties"][name].update(rule)
    return schema


def _operator_rules(rules: RequestRules) -> dict[str, Schema]:
    return {
        "parser": {} if rules.parsers is None else {"enum": sorted(rules.parsers)},
        "target": {"maxLength": TARGET_MAX_BYTES, "pattern": target_pattern(rules.targets.schemes)},
        "source": {"maxLength": SOURCE_MAX_BYTES, "pattern": source_pattern(rules.sources.schemes)},
    }


# Schemes are in lower case in both: others are taken too, but nobody should send them (RFC 3986, section 3.1).


def target_pattern(schemes: Iterable[str]) -> str:
    """A pattern (ECMA 262) for targets with one of the schemes."""
    return _any_of(
        (scheme, f"{URI_CHARACTER}*" if is_sqlite(scheme) else _AUTHORITY + _BEYOND_TARGET) for scheme in schemes
    )


def source_pattern(schemes: Iterable[str]) -> str:
    """The same for sources."""
    return _any_of((scheme, _PATH if scheme == "file" else _AUTHORITY + _BEYOND_SOURCE) for scheme in schemes)


def _any_of(alternatives: Iterable[tuple[str, str]]) -> str:
    """A pattern for `scheme://rest` of any of these."""
    by_rest: dict[str, list[str]] = {}
    for scheme, rest in sorted(alternatives):
        by_rest.setdefault(rest, []).append(scheme.replace("+", r"\+").replace(".", r"\."))
    patterns = [f"(?:{'|'.join(names)})://{rest}" for rest, names in by_rest.items()]
    return f"^(?:{'|'.join(patterns)})$"


def problem_name(error: type[BridgeError]) -> str:
    """The name of the error's schema."""
    return error.__name__.removesuffix("Error") + "Problem"


def problem_schema(error: type[BridgeError]) -> Schema:
    """The schema of the answer to one sort of fault."""
    schema = deepcopy(_any_problem())
    for member, value in _constants(error).items():
        described = schema["properties"][member].get("description")
        schema["properties"][member] = {"const": value, **({"description": described} if described else {})}
    for member, owner in _OWN_MEMBERS.items():
        if error is owner:
            schema["required"].append(member)
        else:
            del schema["properties"][member]
    return {**schema, "title": error.title, "description": description_of(error)}


@cache
def _any_problem() -> Schema:
    schema, _ = schema_of(ProblemDocument)
    return schema


def description_of(documented: type) -> str:
    """What its docstring says, in one line."""
    return " ".join((documented.__doc__ or "").split())


def _constants(error: type[BridgeError]) -> Schema:
    return {
        "type": TYPE_PREFIX + error.type,
        "title": error.title,
        "status": error.status,
        "retryable": error.retryable,
    }
