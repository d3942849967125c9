"""`GET /openapi.json` and `GET /docs`: what this service takes and answers, for programs and for people."""

from typing import ClassVar

import falcon
from pydantic_core import to_json

from bridge.auth.callers import Scope
from bridge.documents import SpecificationDocument
from bridge.openapi.page import Page


class SpecificationResource:
    """An OpenAPI document, made at the start."""

    scopes: ClassVar[dict[str, Scope]] = {}

    def __init__(self, document: SpecificationDocument) -> None:
        self._document = to_json(document)

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 with the document."""
        response.data = self._document

    on_head = on_get


class PageResource:
    """The same as HTML, made at the start."""

    scopes: ClassVar[dict[str, Scope]] = {}

    def __init__(self, page: Page) -> None:
        self._page = page

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """200 with the page."""
        response.content_type = "text/html; charset=utf-8"
        response.set_header("Content-Security-Policy", self._page.security_policy)
        response.set_header("X-Content-Type-Options", "nosniff")
        response.data = self._page.html

    on_head = on_get
