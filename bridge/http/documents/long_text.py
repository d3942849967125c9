"""Texts that are made once, at the start, and are long enough to be compressed."""

import gzip

import falcon


class LongText:
    """A text as it is, and compressed, which takes a fraction, for clients that take that."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.compressed = gzip.compress(data, mtime=0)

    def answer(self, request: falcon.Request, response: falcon.Response) -> None:
        """200 with it."""
        response.set_header("Vary", "Accept-Encoding")
        if "gzip" in (request.get_header("Accept-Encoding") or ""):
            response.set_header("Content-Encoding", "gzip")
            response.data = self.compressed
        else:
            response.data = self.data
