"""How long the body of a request may be: batches may have longer ones than the rest.

Of waitress 3.0.2 this uses beyond its documentation: `HTTPRequestParser.parse_header`, `path` and `adj`, and
`ParsingError`.
"""

from copy import copy
from typing import Any

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser, ParsingError

from bridge.jobs.requests.kinds import JOB_KINDS

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

    def parse_header(self, header_plus: bytes) -> None:
        """See waitress: it compares what comes with `adj` after this."""
        try:
            super().parse_header(header_plus)
        except ValueError:  # of urlsplit() and int(), which waitress lets pass
            raise ParsingError("its address or its Content-Length is malformed") from None
        if self.path.endswith(BATCH_PATHS):
            self.adj = self.adj.for_batches
