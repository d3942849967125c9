"""Which tokens the service takes, as its settings say."""

from pathlib import Path

from bridge.auth.bridge_tokens import BridgeTokenVerifier
from bridge.auth.callers import Verifier
from bridge.auth.jwks import FileKeys, JwksError
from bridge.auth.jwks_fetch import UrlKeys
from bridge.auth.jwt import SignatureCheck
from bridge.auth.oidc import OidcTokenVerifier
from bridge.auth.slurm_token_cache import SlurmTokenCache
from bridge.auth.slurm_tokens import SlurmTokenVerifier, TokenCheck
from bridge.auth.token_file import TokenFile, TokenFileError
from bridge.config.auth import OidcSettings, SlurmTokenSettings
from bridge.config.settings import Settings, StartError
from bridge.slurm.gateway import Gateway


def verifiers_of(settings: Settings, gateway: Gateway) -> tuple[Verifier, ...]:
    """One for each sort of tokens that the settings name; empty when authentication is off. Raises `SettingsError`.

    The first that knows a token decides: one with the identity provider's `iss` is never tried as Slurm's.
    """
    verifiers: list[Verifier] = []
    if settings.token_file is not None:
        verifiers.append(_bridge_token_verifier(settings.token_file))
    if settings.oidc is not None:
        verifiers.append(_oidc_token_verifier(settings.oidc))
    if settings.slurm_tokens is not None:
        verifiers.append(_slurm_token_verifier(settings.slurm_tokens, gateway))
    return tuple(verifiers)


def _bridge_token_verifier(path: Path) -> BridgeTokenVerifier:
    try:
        return BridgeTokenVerifier(TokenFile(path))
    except TokenFileError as error:
        raise StartError(f"token_file: {error}") from None


def _oidc_token_verifier(settings: OidcSettings) -> OidcTokenVerifier:
    if settings.jwks_path is not None:
        return OidcTokenVerifier(settings, _file_keys(settings.jwks_path, "oidc.jwks"))
    keys = UrlKeys(settings.jwks)
    keys.start()
    return OidcTokenVerifier(settings, keys)


def _slurm_token_verifier(settings: SlurmTokenSettings, gateway: Gateway) -> SlurmTokenVerifier:
    check: TokenCheck = (
        SlurmTokenCache(gateway)
        if settings.jwks_path is None
        else SignatureCheck(_file_keys(settings.jwks_path, "slurm_tokens.jwks_path"))
    )
    return SlurmTokenVerifier(settings.users, settings.user_claim, check)


def _file_keys(path: Path, setting: str) -> FileKeys:
    try:
        return FileKeys(path)
    except JwksError as error:
        raise StartError(f"{setting}: {error}") from None
