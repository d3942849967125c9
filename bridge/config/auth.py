"""Settings of authentication: one table of the settings file for each sort of tokens."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bridge.config.types import AbsolutePath
from bridge.core.scopes import Scope


def _issuer(url: str) -> str:
    if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
        raise ValueError("must be an https URL")
    return url


def _keys_place(place: str) -> str:
    url = urlsplit(place)
    is_loopback = url.hostname in ("localhost", "127.0.0.1", "::1")
    is_safe_scheme = url.scheme == "https" or (url.scheme == "http" and is_loopback)
    is_safe_url = bool(url.hostname) and is_safe_scheme and "@" not in url.netloc  # no password: the log names the URL
    if not is_safe_url and not Path(place).is_absolute():
        raise ValueError("must be an https URL or an absolute path (http is for loopback only)")
    return place


class SlurmTokenSettings(BaseModel):
    """Whose Slurm tokens are taken (`scontrol token`), and how they are checked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    users: Annotated[dict[Annotated[str, Field(min_length=1)], frozenset[Scope]], Field(min_length=1)] = Field(
        description="Slurm users who may call with a token of Slurm's, each with scopes: `submit`, `read`, `cancel`, "
        "`metrics`"
    )
    jwks_path: AbsolutePath | None = Field(
        None,
        description="The cluster's public keys, where `AuthAltParameters` has `jwks=`; left out, the controller is "
        "asked about each token, at most every 30 seconds",
    )
    user_claim: str = Field(
        "sun",
        min_length=1,
        description="With `jwks_path`, the claim that names the user (`userclaimfield=` of `AuthAltParameters`)",
    )

    @model_validator(mode="after")
    def _check_claim(self) -> "SlurmTokenSettings":
        if self.jwks_path is None and self.user_claim != "sun":
            raise ValueError("user_claim needs jwks_path: the controller takes no other claim than `sun`")
        return self


class OidcSettings(BaseModel):
    """Which tokens of an identity provider (OpenID Connect) are taken, and what they allow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="The provider, as in the claim `iss` (https URL)"
    )
    audience: str = Field(min_length=1, description="This service, as in the claim `aud`")
    jwks: Annotated[str, AfterValidator(_keys_place)] = Field(
        description="The provider's public keys (its `jwks_uri`): https URL, or absolute path of a file"
    )
    scope_claim: str = Field(
        "scope", min_length=1, description="The claim that says what a caller may do; dots lead into objects"
    )
    scopes: dict[str, frozenset[Scope]] = Field(
        {scope.value: frozenset({scope}) for scope in Scope},
        description="Scopes by value of that claim",
    )
    name_claim: str = Field(
        "sub",
        min_length=1,
        description="The claim that says who a caller is, which is to be one that users cannot choose; dots as above",
    )

    @property
    def jwks_path(self) -> Path | None:
        """The file of the public keys; `None`: they are fetched."""
        return Path(self.jwks) if self.jwks.startswith("/") else None
