"""Which tokens the service takes, as its settings say."""

from pathlib import Path

from bridge.auth.callers import Verifier
from bridge.auth.controller_check import ControllerCheck
from bridge.auth.jwks import JwksError
from bridge.auth.jwks_file import FileKeys
from bridge.auth.jwks_url import UrlKeys
from bridge.auth.jwts import SignatureCheck
from bridge.auth.oidc import OidcTokens
from bridge.auth.settings import OidcSettings, SlurmTokenSettings
from bridge.auth.slurm_tokens import SlurmTokens, TokenCheck
from bridge.auth.token_file import TokenFile, TokenFileError
from bridge.auth.tokens import TokenVerifier
from bridge.settings import Settings, SettingsError
from bridge.slurm.gateway import Gateway


def verifiers_of(settings: Settings, gateway: Gateway) -> tuple[Verifier, ...]:
    """One for each sort of tokens; none where nobody is asked who he is. Raises `SettingsError`.

    The first to know a token decides: one with the identity provider's `iss` is never tried as Slurm's.
    """
    verifiers: list[Verifier] = []
    if settings.token_file is not None:
        verifiers.append(_bridge_tokens(settings.token_file))
    if settings.oidc is not None:
        verifiers.append(_oidc_tokens(settings.oidc))
    if settings.slurm_tokens is not None:
        verifiers.append(_slurm_tokens(settings.slurm_tokens, gateway))
    return tuple(verifiers)


def _bridge_tokens(path: Path) -> TokenVerifier:
    try:
        return TokenVerifier(TokenFile(path))
    except TokenFileError as error:
        raise SettingsError(f"token_file: {error}") from None


def _oidc_tokens(settings: OidcSettings) -> OidcTokens:
    if settings.jwks.startswith("/"):
        return OidcTokens(settings, _file_keys(Path(settings.jwks), "oidc.jwks"))
    keys = UrlKeys(settings.jwks)
    keys.start()
    return OidcTokens(settings, keys)


def _slurm_tokens(settings: SlurmTokenSettings, gateway: Gateway) -> SlurmTokens:
    check: TokenCheck = (
        ControllerCheck(gateway)
        if settings.jwks_path is None
        else SignatureCheck(_file_keys(settings.jwks_path, "slurm_tokens.jwks_path"))
    )
    return SlurmTokens(settings.users, settings.user_claim, check)


def _file_keys(path: Path, setting: str) -> FileKeys:
    try:
        return FileKeys(path)
    except JwksError as error:
        raise SettingsError(f"{setting}: {error}") from None
