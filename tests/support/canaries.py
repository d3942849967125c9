"""Secrets that are easily found where they must not be."""

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.support.samples import PARSE_BODY


def _token() -> str:
    """Letters and digits: percent-encoding, JSON, shells and Python leave them as they are."""
    return secrets.token_hex(12)


@dataclass(frozen=True)
class Canaries:
    """One of each secret that the service sees. Around each stands what has to be quoted in URIs and in JSON."""

    target_password: str = field(default_factory=_token)
    source_password: str = field(default_factory=_token)
    source_signature: str = field(default_factory=_token)
    mqtt_password: str = field(default_factory=_token)
    bearer_token: str = field(default_factory=_token)
    slurm_token: str = field(default_factory=_token)
    digest_secret: str = field(default_factory=lambda: _token() * 2)

    @property
    def body(self) -> dict[str, str]:
        """For `POST /extractor/run`."""
        return {
            **PARSE_BODY,
            "target": f"postgresql://user:p%2F{self.target_password}%22'@db.example/d",
            "source": f"https://me:p%40{self.source_password}@store.example/f?X-Signature={self.source_signature}%3D",
        }

    @property
    def headers(self) -> dict[str, str]:
        """What a client may send to say who it is."""
        return {"Authorization": f"Bearer {self.bearer_token}", "X-SLURM-USER-TOKEN": self.slurm_token}

    @property
    def mqtt(self) -> dict[str, str]:
        """The variables that make the jobs report to a broker."""
        return {"MQTT_BROKER": "127.0.0.1:1", "MQTT_USER": "user", "MQTT_PASSWORD": f"p/{self.mqtt_password}\"'&"}

    def found_in(self, places: Mapping[str, Iterable[bytes]]) -> set[str]:
        """`PLACE: SECRET` for each that is not as secret as it should be."""
        return {
            f"{place}: {name}"
            for place, texts in places.items()
            for text in texts
            for name, token in vars(self).items()
            if any(spelling in text for spelling in spellings(token))
        }


def spellings(token: str) -> set[bytes]:
    """The token as it is, in hexadecimal digits, and in base64, wherever in a longer text it begins."""
    plain = token.encode()
    whole = {base64.b64encode(bytes(before) + plain).rstrip(b"=") for before in range(3)}
    # The first and the last digits also hold bits of the neighbours.
    return {plain, plain.hex().encode(), *(text[4:-2] for text in whole)}
