"""What the service says of itself in `/openapi.json`, as a check of its answers."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from fnmatch import fnmatch
from functools import cache
from typing import Any

import jsonschema_rs

METHODS = ("get", "post", "delete")


class ContractError(AssertionError):
    """An answer is not as the specification has it; the message says in what."""


def closed(document: Mapping[str, Any]) -> dict[str, Any]:
    """The same specification, with answers that may have no other members than those that it lists."""
    copy = deepcopy(dict(document))
    for schema in copy["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return copy


class Contract:
    """Checks answers against a specification. Members that it does not list are faults."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = closed(document)
        self._validator = cache(self._make_validator)

    def check(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Raise `ContractError` where no operation answers so; `headers` with names in lower case."""
        answer = self._answer(method, path, status)
        for name, header in answer.get("headers", {}).items():
            self._check_header(name, header["$ref"], headers.get(name.lower()))
        if method == "HEAD" or "content" not in answer:
            self._require(not body, f"{status} has a body")
            return
        ((media_type, content),) = answer["content"].items()
        self._require(fnmatch(headers["content-type"].partition(";")[0], media_type), headers["content-type"])
        if media_type.endswith("json"):
            self._validate(content["schema"], json.loads(body))

    def operation(self, method: str, path: str) -> dict[str, Any] | None:
        """The operation of a request; None where there is none."""
        item: dict[str, Any] = self.document["paths"].get(path) or next(
            (item for template, item in self.document["paths"].items() if _matches(template, path)), {}
        )
        found: dict[str, Any] | None = item.get("get" if method == "HEAD" else method.lower())
        return found

    def _answer(self, method: str, path: str, status: int) -> dict[str, Any]:
        operation = self.operation(method, path)
        if operation is None:
            problems = self.document["components"]["schemas"]
            answers: dict[str, dict[str, Any]] = self.document["components"]["responses"]
            elsewhere = {problems[name]["properties"]["status"]["const"]: answer for name, answer in answers.items()}
            self._require(status in elsewhere, f"{method} {path}, which is not in it, gets {status}")
            answer = elsewhere[status]
        else:
            self._require(str(status) in operation["responses"], f"{method} {path} gets {status}")
            answer = operation["responses"][str(status)]
        return answer

    def _check_header(self, name: str, reference: str, value: str | None) -> None:
        header = self.document["components"]["headers"][reference.rpartition("/")[2]]
        if value is None:
            self._require(not header["required"], f"{name} is missing")
        else:
            self._validate(header["schema"], int(value) if header["schema"]["type"] == "integer" else value)

    def _validate(self, schema: dict[str, Any], value: Any) -> None:
        for error in self._validator(json.dumps(schema)).iter_errors(value):
            raise ContractError(f"{error.message} at {error.instance_path}: {value}")

    def _make_validator(self, schema: str) -> jsonschema_rs.Draft202012Validator:
        whole = {**json.loads(schema), "components": self.document["components"]}
        return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)

    def _require(self, holds: bool, what: str) -> None:
        if not holds:
            raise ContractError(f"not as the specification has it: {what}")


@cache
def _pattern(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "[^/]*", template))  # Falcon takes an empty one too


def _matches(template: str, path: str) -> bool:
    return _pattern(template).fullmatch(path) is not None
