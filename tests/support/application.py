"""The application on the in-memory gateway, for unit tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import falcon.testing

from bridge.admission import Admission
from bridge.aftermath import Aftermath
from bridge.app import create_app
from bridge.archive import Archive
from bridge.backlog import Backlog
from bridge.cancellations import Cancellations
from bridge.identity import Digests
from bridge.inquiries import Inquiries
from bridge.keys import KeysAtWork
from bridge.settings import Settings
from bridge.slurm.board import Board
from bridge.submissions import Submissions
from tests.support.memory_gateway import MemoryGateway


@contextmanager
def running_application(gateway: MemoryGateway, settings: Settings) -> Iterator[falcon.testing.TestClient]:
    """A client of it, as `bridge.server` puts it together."""
    board = Board(gateway, settings.max_waiting_clients)
    keys = KeysAtWork()
    aftermath = Aftermath(gateway, board, keys)
    submissions = Submissions(gateway, board, keys, aftermath, Backlog(board, None))
    inquiries = Inquiries(board, Archive(gateway))
    cancellations = Cancellations(gateway, board, inquiries, aftermath)
    digests, admission = Digests(b"secret"), Admission(8)
    board.start()
    try:
        yield falcon.testing.TestClient(
            create_app(settings, gateway, board, submissions, inquiries, cancellations, digests, admission)
        )
    finally:
        board.close()
