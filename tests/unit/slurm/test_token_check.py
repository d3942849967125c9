"""A yes of the controller means something only where it also says no."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.slurm.messages import Verified, VerifyToken
from bridge.slurm.worker.token_check import TokenVerifier


class RPCError(Exception):
    """pyslurm's."""

    errno = 1007


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The process's environment."""
    variables: dict[str, str] = {}
    monkeypatch.setattr("os.environ", variables)
    return variables


def verifier(environment: dict[str, str], good: set[str], *, reads_it_again: bool) -> TokenVerifier:
    """On a libslurm that reads the token whenever it starts, or once only."""
    used: list[str] = []

    def start(_conf_path: str | None) -> None:
        if reads_it_again or not used:
            used[:] = [environment["SLURM_JWT"]]

    def load() -> None:
        if used[0] not in good:
            raise RPCError

    config = SimpleNamespace(load=load)
    pyslurm: Any = SimpleNamespace(
        slurm_init=start, slurm_fini=lambda: None, slurmctld=SimpleNamespace(Config=config), RPCError=RPCError
    )
    return TokenVerifier(pyslurm, None)


def test_tokens_are_told_apart(environment: dict[str, str]) -> None:
    tokens = verifier(environment, {"a.b.c"}, reads_it_again=True)
    answers = [tokens.verify(VerifyToken(token)) for token in ("a.b.c", "a.b.d", "a.b.c")]
    assert answers == [Verified(True), Verified(False), Verified(True)]


def test_a_libslurm_that_goes_on_with_an_old_token_is_noticed(environment: dict[str, str]) -> None:
    tokens = verifier(environment, {"a.b.c"}, reads_it_again=False)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="wrong signature"):
            tokens.verify(VerifyToken("a.b.c"))


def test_a_token_is_in_no_repr() -> None:
    assert "canary" not in repr(VerifyToken("canary"))
