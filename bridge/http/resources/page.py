"""`GET /` and `GET /page/{name}`: the page for people, and the files that it loads."""

from collections.abc import Mapping

import falcon

from bridge.core.errors import NotFoundError
from bridge.http.page.files import INDEX, PageFile

# Only its own files and the routes of this service; no script or style that stands in the page itself, no form that is
# sent by the browser, and no text that becomes a part of the page as HTML.
SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


class StatusPageResource:
    """One of `files`, the page itself where none is named. Browsers ask each time whether it is still the same."""

    def __init__(self, files: Mapping[str, PageFile]) -> None:
        self._files = files

    def on_get(self, request: falcon.Request, response: falcon.Response, name: str = INDEX) -> None:
        """200 with the file, 304 where the client has it."""
        file = self._files.get(name)
        if file is None:
            raise NotFoundError("The page has no such file.")
        response.set_header("Cache-Control", "no-cache")
        response.set_header("Content-Security-Policy", SECURITY_POLICY)
        response.set_header("ETag", f'W/"{file.tag}"')
        response.set_header("Referrer-Policy", "no-referrer")
        response.set_header("X-Content-Type-Options", "nosniff")
        if file.tag in (request.if_none_match or ()):
            response.set_header("Vary", "Accept-Encoding")
            response.status = falcon.HTTP_304
        else:
            response.content_type = file.media_type
            file.text.answer(request, response)

    on_head = on_get
