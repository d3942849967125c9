"""JSON Schemas (2020-12) of what clients send and get, made of the models that validate and of the TypedDicts."""

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode

from bridge.core.errors import BridgeError, InvalidRequestError, OutcomeUnknownError
from bridge.http.documents.problems import TYPE_PREFIX
from bridge.http.documents.response_models import ProblemDocument
from bridge.http.openapi.uri_patterns import source_pattern, target_pattern
from bridge.jobs.requests.fields import RequestRules
from bridge.policy.uris import SOURCE_MAX_BYTES, TARGET_MAX_BYTES

Schema = dict[str, Any]

SCHEMAS = "#/components/schemas/"

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


def for_strangers(rules: RequestRules) -> RequestRules:
    """`rules` without the operator's parsers and folders, for a document that all may read."""
    return replace(
        rules, parsers=None, targets=replace(rules.targets, folders=()), sources=replace(rules.sources, folders=())
    )


def _operator_rules(rules: RequestRules) -> dict[str, Schema]:
    return {
        "parser": {} if rules.parsers is None else {"enum": sorted(rules.parsers)},
        "target": {"maxLength": TARGET_MAX_BYTES, "pattern": target_pattern(rules.targets)},
        "source": {"maxLength": SOURCE_MAX_BYTES, "pattern": source_pattern(rules.sources)},
    }


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
