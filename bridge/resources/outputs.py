"""`GET /jobs/{id}/stdout` and `GET /jobs/{id}/stderr`: what a job has printed."""

from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import falcon

from bridge.auth.callers import Scope
from bridge.masking import Masker
from bridge.outputs import OutputStream, open_output
from bridge.parts import Parts
from bridge.questions import OutputQuestion, read_query
from bridge.ranges import requested_part


class OutputResource:
    """One of a job's two outputs, with credentials masked. `suffix` is that of its file."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.READ}

    def __init__(self, folder: Path, suffix: str, masker: Masker, parts: Parts) -> None:
        self._folder = folder
        self._suffix = suffix
        self._masker = masker
        self._admission = parts.admission
        self._readers = parts.readers

    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """200 with all of it, or with the last `tail` bytes; 206 with the `Range` asked for."""
        tail_bytes = read_query(OutputQuestion, request).tail
        with ExitStack() as held:
            held.enter_context(self._admission)
            held.enter_context(self._readers)
            output = open_output(self._folder, job_id, self._suffix)
            held.callback(output.close)
            part = range(output.size_bytes)
            if tail_bytes is not None:
                part = part[-tail_bytes:]
            elif requested := _requested_part(request, output.size_bytes):
                part = requested
                response.status = falcon.HTTP_206
                response.set_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{output.size_bytes}")
            response.content_type = "text/plain; charset=utf-8"
            response.content_length = len(part)
            response.set_header("Accept-Ranges", "bytes")
            response.set_header("Cache-Control", "no-store")
            response.set_header("X-Content-Type-Options", "nosniff")
            if request.method == "GET":
                chunks = self._masker.chunks(output.read, output.size_bytes, part)
                response.stream = OutputStream(chunks, held.pop_all())

    on_head = on_get


def _requested_part(request: falcon.Request, size_bytes: int) -> range | None:
    """What `Range` asks for (RFC 9110): of a GET only, and of no named version (`If-Range`), as ours have no names."""
    if request.method != "GET" or request.get_header("If-Range") is not None:
        return None
    return requested_part(request.get_header("Range"), size_bytes)
