"""The limit for a status: Falcon on waitress, as the bridge runs it, with a responder that does nothing.

Usage: python -m bench.empty_falcon PORT
"""

import sys

import falcon
import waitress

from bridge.services import thread_count
from tests.support.samples import settings


class EmptyResource:
    """Answers every path."""

    def on_get(self, _request: falcon.Request, _response: falcon.Response, job_id: str) -> None:
        """200 with nothing."""


def main(port: int) -> None:
    """Serve until killed."""
    app = falcon.App()
    app.add_route("/jobs/{job_id}", EmptyResource())
    threads = thread_count(settings())
    waitress.serve(app, host="127.0.0.1", port=port, threads=threads, asyncore_use_poll=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
