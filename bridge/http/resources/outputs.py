"""`GET /jobs/{id}/stdout` and `GET /jobs/{id}/stderr`: what a job has printed."""

from collections.abc import Iterator
from contextlib import ExitStack

import falcon

from bridge.core.concurrency_limit import CallerShares, ConcurrencyLimit
from bridge.http.documents.byte_range import requested_part
from bridge.http.documents.query_models import OutputQuery, read_query
from bridge.http.middleware.request_context import client_of
from bridge.jobs.output.files import JobOutputs
from bridge.jobs.status.lookup import JobLookup


class OutputResource:
    """One of a job's two outputs, with credentials masked. `suffix` is that of its file."""

    def __init__(
        self,
        outputs: JobOutputs,
        lookup: JobLookup,
        suffix: str,
        slurm_limit: ConcurrencyLimit,
        output_limit: ConcurrencyLimit,
        shares: CallerShares,
    ) -> None:
        self._outputs = outputs
        self._lookup = lookup
        self._suffix = suffix
        self._limits = (slurm_limit, output_limit)
        self._shares = shares

    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """200 with all of it, or with the last `tail` bytes; 206 with the `Range` asked for."""
        tail_bytes = read_query(OutputQuery, request).tail
        with ExitStack() as held:
            held.enter_context(self._shares.of(client_of(request)))
            for limit in self._limits:
                held.enter_context(limit)
            output = self._outputs.open(job_id, self._suffix, self._lookup.submitted_at(job_id))
            held.callback(output.close)
            part = range(output.size_bytes)
            if tail_bytes is not None:
                part = part[-tail_bytes:]
            elif requested := requested_part(request, output.size_bytes):
                part = requested
                response.status = falcon.HTTP_206
                response.set_header("Content-Range", f"bytes {part.start}-{part.stop - 1}/{output.size_bytes}")
            response.content_type = "text/plain; charset=utf-8"
            response.content_length = len(part)
            response.set_header("Accept-Ranges", "bytes")
            response.set_header("Cache-Control", "no-store")
            response.set_header("X-Content-Type-Options", "nosniff")
            if request.method == "GET":
                response.stream = _OutputStream(self._outputs.chunks(output, part), held.pop_all())

    on_head = on_get


class _OutputStream:
    """The body of an answer: `chunks`, and what is held open for them. WSGI servers close it, whatever happens."""

    def __init__(self, chunks: Iterator[bytes], held: ExitStack) -> None:
        self._chunks = chunks
        self._held = held

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """Let go."""
        self._held.close()
