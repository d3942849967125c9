"""`GET /openapi.json` and `GET /docs`: what this service takes and answers, for programs and for people."""

import falcon
from pydantic_core import to_json

from bridge.http.documents.long_text import LongText
from bridge.http.documents.response_models import SpecificationDocument
from bridge.http.middleware.path_prefix import FORWARDED_PREFIX
from bridge.http.openapi.page import SpecificationPage


class SpecificationResource:
    """An OpenAPI document. Its `servers` are where the client sees the service: below the prefix of its proxy."""

    def __init__(self, document: SpecificationDocument) -> None:
        data = to_json(document)
        self._text = LongText(data)
        self._before, _, self._after = data.partition(b'"servers":' + to_json(document["servers"]))

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the document."""
        if prefix := request.env.get(FORWARDED_PREFIX):
            servers = b'"servers":' + to_json([{"url": prefix}])
            response.data = self._before + servers + self._after
        else:
            self._text.answer(request, response)

    on_head = on_get


class PageResource:
    """The same as HTML."""

    def __init__(self, page: SpecificationPage) -> None:
        self._page = page
        self._text = LongText(page.html)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with the page."""
        response.content_type = "text/html; charset=utf-8"
        response.set_header("Content-Security-Policy", self._page.security_policy)
        response.set_header("X-Content-Type-Options", "nosniff")
        self._text.answer(request, response)

    on_head = on_get
