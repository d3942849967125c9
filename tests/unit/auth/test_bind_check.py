"""Where the service may listen without authentication."""

import logging
import socket
from typing import Any, ClassVar

import pytest

from bridge.auth.bind_check import refuse_open_listening
from bridge.auth.callers import BEARER_HEADER, Caller
from bridge.config.settings import SettingsError
from bridge.core.deadline import Deadline


class AnyVerifier:
    """A verifier; none of its answers matter here."""

    headers: ClassVar = frozenset({BEARER_HEADER})

    def verify(self, token: str, deadline: Deadline) -> Caller | None:
        raise NotImplementedError


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that stand for two addresses each; numbers are resolved as always."""
    known = {
        "both-loopback": ["127.0.0.1", "::1"],
        "one-beyond": ["127.0.0.1", "192.0.2.1"],
    }
    real = socket.getaddrinfo

    def resolve(host: str | None, *arguments: Any, **options: Any) -> list[Any]:
        addresses = known.get(host or "", [host])
        return [found for address in addresses for found in real(address, *arguments, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "127.1", "localhost", "::1", "[::1]", "both-loopback"])
def test_loopback_is_taken_with_a_warning(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        refuse_open_listening(host, ())
    (record,) = caplog.records
    assert "authentication is off: every client that can connect" in record.getMessage()


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "*", "192.0.2.1", "0", "fe80::1", "one-beyond"])  # noqa: S104
def test_beyond_loopback_callers_need_a_token(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_open_listening(host, ())
    assert str(caught.value).startswith(f"host: {host} can be reached from other machines")
    assert "\n" not in str(caught.value)
    refuse_open_listening(host, (AnyVerifier(),))
    assert caplog.records == []


@pytest.mark.parametrize("host", ["", "no such host", "a" * 70, "."])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^host: .*has no address: "):
        refuse_open_listening(host, ())
