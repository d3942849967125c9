"""Which tokens the service takes, as its settings say."""

from bridge.auth.callers import Verifier
from bridge.auth.token_file import TokenFile, TokenFileError
from bridge.auth.tokens import TokenVerifier
from bridge.settings import Settings, SettingsError


def verifiers_of(settings: Settings) -> tuple[Verifier, ...]:
    """One for each sort of tokens; none where nobody is asked who he is. Raises `SettingsError`."""
    verifiers: list[Verifier] = []
    if settings.token_file is not None:
        try:
            verifiers.append(TokenVerifier(TokenFile(settings.token_file)))
        except TokenFileError as error:
            raise SettingsError(f"token_file: {error}") from None
    return tuple(verifiers)
