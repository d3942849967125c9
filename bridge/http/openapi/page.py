"""The specification as one HTML page that needs no script and nothing from anywhere."""

import hashlib
import re
import shlex
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode

import jinja2
from markupsafe import Markup, escape
from pydantic_core import to_json

from bridge.http.documents.response_models import SpecificationDocument

_METHODS = ("get", "post", "delete")


@dataclass(frozen=True, slots=True)
class SpecificationPage:
    """`security_policy` is its `Content-Security-Policy`: nothing but its own style sheet, which stands in it."""

    html: bytes
    security_policy: str

    @classmethod
    def of(cls, document: SpecificationDocument) -> Self:
        """The page that shows `document`."""
        templates = jinja2.Environment(
            loader=jinja2.PackageLoader("bridge.http.openapi", "."),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        templates.filters.update(curl=_curl, pretty=_pretty, last=_last_part, prose=_prose, words=_words)
        style = templates.get_template("style.css.j2").render()
        html = templates.get_template("page.html.j2").render(
            document=document, operations=_operations(document), style=style
        )
        digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        return cls(html.encode(), f"{policy}; frame-ancestors 'none'")


def _operations(document: SpecificationDocument) -> list[dict[str, Any]]:
    """Every operation with its path, its method and the parameters of both."""
    return [
        {
            **item[method],
            "path": path,
            "method": method.upper(),
            "parameters": [*item.get("parameters", []), *item[method]["parameters"]],
        }
        for path, item in document["paths"].items()
        for method in _METHODS
        if method in item
    ]


def _curl(operation: dict[str, Any]) -> str:
    """A command line that does it, with the examples of the required parameters and of the body."""
    path = operation["path"]
    query = []
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", quote(parameter["example"]))
        elif parameter["in"] == "query":
            query.append((parameter["name"], parameter["example"]))
    address = path + (f"?{urlencode(query, doseq=True)}" if query else "")
    words = ["curl", f'"$BRIDGE{address}"']
    if operation["method"] == "DELETE":
        words.insert(1, "-X DELETE")
    if operation.get("security"):
        words.append('-H "Authorization: Bearer $TOKEN"')
    if "requestBody" in operation:
        ((media_type, content),) = operation["requestBody"]["content"].items()
        words += ["-H", shlex.quote(f"Content-Type: {media_type}"), "-d", shlex.quote(_pretty(content["example"]))]
    return " ".join(words)


def _pretty(value: Any) -> str:
    """Text as it is, everything else as JSON."""
    return value if isinstance(value, str) else to_json(value, indent=2).decode()


def _prose(text: str) -> Markup:
    """Text with what stands in backquotes as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


def _last_part(reference: str) -> str:
    """The name in a `$ref`."""
    return reference.rpartition("/")[2]


_RULES = {
    "format": "format {}",
    "pattern": "matches {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "default": "default {}",
}


def _words(schema: dict[str, Any]) -> list[str]:
    """The rules of a schema in words."""
    return [text.format(schema[rule]) for rule, text in _RULES.items() if schema.get(rule, ()) not in ((), [], None)]
