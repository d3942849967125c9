"""How long the body of a request may be: batches may have longer ones than the rest.

Of waitress 3.0.2 this uses beyond its documentation: `HTTPRequestParser.parse_header`, `received`, `path`, `adj`,
`body_rcv`, `body_bytes_received`, `error` and `completed`, and `ParsingError`.
"""

from copy import copy
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.utilities import BadRequest

from bridge.jobs.requests.kinds import JOB_KINDS

# Of a chunked body, what says where chunks begin and end may have so many bytes, and an eighth of the content. 4 MiB of
# chunks of one byte, or of a line that says how long the next one is, would keep the loop busy for two seconds.
FRAMING_MAX_BYTES = 16 * 1024
BATCH_PATHS = tuple(kind.batch_path for kind in JOB_KINDS)  # a proxy may show them below a prefix


class LimitedAdjustments(Adjustments):
    """waitress's settings, with those for batches."""

    for_batches: Adjustments

    def __init__(self, *, max_batch_body_size: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.for_batches = copy(self)
        self.for_batches.max_request_body_size = max_batch_body_size


class LimitingParser(HTTPRequestParser):
    """waitress's parser, which refuses a body that is too long as soon as its length is known."""

    path: str
    adj: Any
    body_rcv: Any
    body_bytes_received: int

    def parse_header(self, header_plus: bytes) -> None:
        """See waitress: it compares what comes with `adj` after this."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # of urlsplit() and int(), which waitress lets pass
            raise ParsingError("its address or its Content-Length is malformed") from None
        if self.path.endswith(BATCH_PATHS):
            self.adj = self.adj.for_batches

    def received(self, data: bytes) -> int:
        """See waitress: how much of `data` is the request's."""
        consumed = super().received(data)
        if self.body_rcv is not None and not self.completed:
            content_bytes = len(self.body_rcv)
            if self.body_bytes_received - content_bytes > FRAMING_MAX_BYTES + content_bytes // 8:
                self.error = BadRequest("the chunks of its body are too small: send larger ones, or a Content-Length")
                self.completed = True
        return consumed
