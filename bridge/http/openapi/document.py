"""The OpenAPI 3.1 document, made of the table of routes for the service as it is configured."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pydantic import BaseModel

from bridge.auth.callers import SLURM_HEADER
from bridge.core.errors import (
    BridgeError,
    ForbiddenError,
    MethodNotAllowedError,
    RangeNotSatisfiableError,
    UnauthenticatedError,
)
from bridge.http.documents.page_models import PageFileName
from bridge.http.documents.problems import PROBLEM_MEDIA_TYPE
from bridge.http.documents.response_models import JobId, SpecificationDocument
from bridge.http.openapi.examples import problem_example
from bridge.http.openapi.headers import ANSWER_HEADERS, REQUEST_HEADERS, REQUEST_ID_HEADER, Header
from bridge.http.openapi.operation import (
    ALWAYS,
    ELSEWHERE,
    JSON,
    WHERE_COUNTED,
    WHERE_GUARDED,
    Answer,
    Operation,
    Route,
)
from bridge.http.openapi.schemas import (
    SCHEMAS,
    Schema,
    description_of,
    problem_name,
    problem_schema,
    request_schema,
    schema_of,
)
from bridge.jobs.requests.fields import RequestRules

INTRODUCTION = (
    "Turns requests of time series management (TSM) into Slurm jobs and tells how they end. JSON in UTF-8, times in "
    "RFC 3339 and UTC, durations in seconds. Answers may get further members in later versions: ignore those that you "
    "do not know. Requests may not have members or parameters that are not listed here. `HEAD` is `GET` without the "
    "body."
)
OPEN = "Callers need no token."
GUARDED = "Each operation names the scope that a caller's token needs."

_SECURITY_SCHEMES: dict[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer TOKEN` (RFC 6750)"},
    "slurmToken": {"type": "apiKey", "in": "header", "name": SLURM_HEADER, "description": "As slurmrestd has it"},
}

_PATH_PARAMETERS = {"job_id": JobId, "name": PageFileName}

# The headers that belong to an error, beside `Retry-After`, which those have that say when to come again.
_ERROR_HEADERS: dict[type[BridgeError], tuple[str, ...]] = {
    UnauthenticatedError: ("WWW-Authenticate",),
    ForbiddenError: ("WWW-Authenticate",),
    MethodNotAllowedError: ("Allow",),
    RangeNotSatisfiableError: ("Content-Range",),
}


def openapi_document(
    routes: Sequence[Route], version: str, rules: RequestRules, *, is_guarded: bool
) -> SpecificationDocument:
    """The document for a service with these routes and rules. `is_guarded`: callers have to sign in."""
    paths: dict[str, Schema] = {}
    for route in routes:
        paths[route.path] = _path_parameters(route.path)
        for operation in route.operations:
            paths[route.path][operation.method.lower()] = _operation(route.path, operation, is_guarded=is_guarded)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tsm-slurm-bridge",
            "version": version,
            "description": f"{INTRODUCTION} {GUARDED if is_guarded else OPEN}",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes, rules, is_guarded=is_guarded),
            "headers": {name: _header(header) for name, header in ANSWER_HEADERS.items()},
            "responses": {problem_name(error): _problems("", [error]) for error in (*ELSEWHERE, *ALWAYS)},
            **({"securitySchemes": _SECURITY_SCHEMES} if is_guarded else {}),
        },
    }


def errors_of(operation: Operation, *, is_guarded: bool) -> list[type[BridgeError]]:
    """Every fault that the operation may answer, by status."""
    scoped = () if operation.scope is None else (*WHERE_COUNTED, *(WHERE_GUARDED if is_guarded else ()))
    return sorted({*ALWAYS, *scoped, *operation.errors}, key=lambda error: (error.status, error.type))


def _operation(path: str, operation: Operation, *, is_guarded: bool) -> Schema:
    scope = operation.scope if is_guarded else None
    answers = {str(answer.status): _answer(answer) for answer in operation.answers}
    for status, errors in groupby(errors_of(operation, is_guarded=is_guarded), key=lambda error: error.status):
        answers[str(status)] = _problems(path, list(errors))
    description = " ".join(filter(None, [operation.more, scope and f"Needs the scope `{scope}`."]))
    return {
        "operationId": operation.id,
        "summary": operation.does,
        **({"description": description} if description else {}),
        **({"security": [{name: []} for name in _SECURITY_SCHEMES]} if scope else {}),
        "parameters": [*_query_parameters(operation), *_header_parameters(operation)],
        **({"requestBody": _body(operation.body)} if operation.body else {}),
        "responses": answers,
    }


def _path_parameters(path: str) -> Schema:
    for name, meaning in _PATH_PARAMETERS.items():
        if f"{{{name}}}" in path:
            schema, _ = schema_of(meaning)
            return {"parameters": [_parameter(name, "path", schema, is_required=True)]}
    return {}


def _query_parameters(operation: Operation) -> list[Schema]:
    if operation.query is None:
        return []
    schema, _ = schema_of(operation.query, "validation")
    return [_parameter(name, "query", _without_null(field)) for name, field in schema["properties"].items()]


def _header_parameters(operation: Operation) -> list[Schema]:
    headers = ((name, REQUEST_HEADERS[name]) for name in operation.headers)
    return [
        {
            "name": name,
            "in": "header",
            "description": header.meaning,
            "schema": header.schema,
            "example": header.example,
        }
        for name, header in headers
    ]


def _parameter(name: str, place: str, schema: Schema, *, is_required: bool = False) -> Schema:
    (example,) = schema.pop("examples")
    return {
        "name": name,
        "in": place,
        "required": is_required,
        "description": schema.pop("description"),
        "schema": schema,
        "example": example,
    }


def _without_null(field: Schema) -> Schema:
    """A parameter is left out where a model has None."""
    if "anyOf" not in field:
        return field
    (given,) = (choice for choice in field["anyOf"] if choice != {"type": "null"})
    return {**given, "description": field["description"], "examples": field["examples"]}


def _body(model: type[BaseModel]) -> Schema:
    properties = schema_of(model, "validation")[0]["properties"]
    example = {name: field["examples"][0] for name, field in properties.items()}
    content = {"schema": {"$ref": SCHEMAS + model.__name__}, "example": example}
    return {"required": True, "content": {JSON: content}}


def _answer(answer: Answer) -> Schema:
    if answer.media_type is None:
        return {"description": answer.meaning, "headers": _headers(answer.headers)}
    content: Schema = {"schema": {"type": "string"}}
    if answer.document is not None:
        content = {"schema": {"$ref": SCHEMAS + answer.document.__name__}}
    if answer.example is not None:
        content["example"] = answer.example
    return {
        "description": answer.meaning,
        "headers": _headers(answer.headers),
        "content": {answer.media_type: content},
    }


def _problems(path: str, errors: list[type[BridgeError]]) -> Schema:
    """The answer to these faults, which have one status."""
    references = [{"$ref": SCHEMAS + problem_name(error)} for error in errors]
    headers = {name for error in errors for name in _ERROR_HEADERS.get(error, ())}
    if all(error.retry_after_seconds is not None for error in errors):
        headers.add("Retry-After")
    examples = {error.type: {"value": problem_example(error, path)} for error in errors}
    return {
        "description": " ".join(description_of(error) for error in errors),
        "headers": _headers(sorted(headers)),
        "content": {
            PROBLEM_MEDIA_TYPE: {
                "schema": references[0] if len(references) == 1 else {"oneOf": references},
                "examples": examples,
            }
        },
    }


def _headers(names: Iterable[str]) -> Schema:
    return {name.partition(".")[0]: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID_HEADER, *names)}


def _header(header: Header) -> Schema:
    return {
        "description": header.meaning,
        "required": header.is_required,
        "schema": header.schema,
        "example": header.example,
    }


def _schemas(routes: Sequence[Route], rules: RequestRules, *, is_guarded: bool) -> dict[str, Schema]:
    schemas: dict[str, Schema] = {}
    errors: set[type[BridgeError]] = set(ELSEWHERE)
    for operation in (operation for route in routes for operation in route.operations):
        if operation.body is not None:
            for name, schema in schema_of(operation.body, "validation")[1].items():
                schemas.setdefault(name, schema)
            schemas[operation.body.__name__] = request_schema(operation.body, rules)
        for answer in operation.answers:
            if answer.document is not None:
                schema, named = schema_of(answer.document)
                schemas.update({answer.document.__name__: schema, **named})
        errors.update(errors_of(operation, is_guarded=is_guarded))
    for error in sorted(errors, key=lambda error: (error.status, error.type)):
        schemas[problem_name(error)] = {**problem_schema(error), "examples": [problem_example(error, "/jobs/17")]}
    return schemas
