"""The parts of a running bridge, put together."""

from dataclasses import dataclass

from bridge.admission import Admission
from bridge.aftermath import Aftermath
from bridge.archive import CALLERS_MAX, Archive
from bridge.auth.callers import Verifier
from bridge.auth.controller_check import WAITERS_MAX
from bridge.auth.verifiers import verifiers_of
from bridge.backlog import Backlog
from bridge.cancellations import Cancellations
from bridge.identity import Digests
from bridge.inquiries import Inquiries
from bridge.keys import KeysAtWork
from bridge.settings import Settings
from bridge.slurm.board import LOOK_WAITERS_MAX, Board
from bridge.slurm.gateway import Gateway
from bridge.submissions import Submissions

SPARE_THREADS = 4  # for requests that do not wait for Slurm: /health, /ready, refusals
# Of the other threads a quarter may send outputs of jobs: a client that reads slowly holds one all the time.
READERS_SHARE = 4


def thread_count(settings: Settings) -> int:
    """Those of the setting `threads`, and one for everything else that may wait."""
    # One caller at a time waits for /ready, one for an identity provider's keys, one renews Slurm's word on a token.
    others = LOOK_WAITERS_MAX + CALLERS_MAX + 2 * WAITERS_MAX + 3
    return settings.threads + settings.max_waiting_clients + others


@dataclass(frozen=True, slots=True)
class Parts:
    """What the routes work with."""

    gateway: Gateway
    board: Board
    aftermath: Aftermath
    submissions: Submissions
    inquiries: Inquiries
    cancellations: Cancellations
    digests: Digests
    verifiers: tuple[Verifier, ...]  # of tokens; none: everybody may do everything
    admission: Admission  # of requests that wait for Slurm
    readers: Admission  # of requests for outputs of jobs, which need `admission` too

    @classmethod
    def of(cls, settings: Settings, gateway: Gateway, secret: bytes) -> "Parts":
        """Nothing of it runs yet. `secret` is for the digests of requests. Raises what `verifiers_of` does."""
        board = Board(gateway, settings.max_waiting_clients)
        keys = KeysAtWork()
        aftermath = Aftermath(gateway, board, keys)
        inquiries = Inquiries(board, Archive(gateway))
        waiting_max = settings.threads - SPARE_THREADS
        return cls(
            gateway=gateway,
            board=board,
            aftermath=aftermath,
            submissions=Submissions(gateway, board, keys, aftermath, Backlog(board, settings.max_pending_jobs)),
            inquiries=inquiries,
            cancellations=Cancellations(gateway, board, inquiries, aftermath),
            digests=Digests(secret),
            verifiers=verifiers_of(settings, gateway),
            admission=Admission(waiting_max, "wait for Slurm"),
            readers=Admission(max(1, waiting_max // READERS_SHARE), "read the output of jobs"),
        )

    def start(self) -> None:
        """Begin to look after the jobs; the gateway has been started."""
        self.board.start()
        self.aftermath.start()

    def close(self) -> None:
        """Stop."""
        self.board.close()
        self.aftermath.close()
