"""Where a service that asks nobody who he is may listen."""

import logging
import socket
from typing import Any

import pytest

from bridge.auth.callers import Caller
from bridge.auth.exposure import refuse_exposure
from bridge.deadline import Deadline
from bridge.settings import SettingsError


class Anybody:
    """A verifier; none of its answers matter here."""

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
        refuse_exposure(host, ())
    (record,) = caplog.records
    assert "authentication is off: every user of this machine can submit" in record.getMessage()


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "*", "192.0.2.1", "0", "fe80::1", "one-beyond"])  # noqa: S104
def test_beyond_loopback_callers_need_a_token(host: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SettingsError) as caught:
        refuse_exposure(host, ())
    assert str(caught.value).startswith(f"host: {host} can be reached from other machines")
    assert "\n" not in str(caught.value)
    refuse_exposure(host, (Anybody(),))
    assert caplog.records == []


@pytest.mark.parametrize("host", ["", "no such host", "a" * 70, "."])
def test_what_is_no_address_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match=r"^host: .*has no address: "):
        refuse_exposure(host, ())
