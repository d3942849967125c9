"""Keeps credentials out of everything that is printed, logged or published as a log record. Pure."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
# A shorter secret stands in ordinary words, where what is missing would tell it. In URLs it is hidden all the same.
SECRET_MIN_LENGTH = 6

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)(?P<rest>[^\s'\"<>]+)")
# requests quotes the path and query of a failed request without scheme and host.
_QUERY = re.compile(r"\?[^\s'\"<>()]+")


def without_credentials(url: str) -> str:
    """`url` without user, password, query string and fragment: what is left may be shown to anyone."""
    head, separator, rest = url.partition("://")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    return head + separator + authority.rpartition("@")[2] + slash + path


def secrets_of(url: str) -> set[str]:
    """The parts of `url` that are secret (password, query string), as written and decoded."""
    secrets: set[str] = set()
    if "?" in url:
        secrets.add(url.split("?", 1)[1])
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    if password:
        secrets |= spellings(password)
    return secrets


def spellings(secret: str) -> set[str]:
    """The forms in which a library may quote one secret: as given, percent-decoded, percent-encoded."""
    plain = unquote(secret)
    return {secret, plain, quote(plain, safe=""), quote_plus(plain)}


class Redactor:
    """Replaces known secrets, and whatever looks like credentials inside a URL, with `***`."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # The longest first: a secret that holds another one is replaced whole.
        self._secrets = sorted(
            {secret for secret in secrets if len(secret) >= SECRET_MIN_LENGTH}, key=len, reverse=True
        )

    def clean(self, text: str) -> str:
        """`text` with no secret left in it."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _URL.sub(lambda match: without_credentials(match.group(0)), text)
        return _QUERY.sub("", text)
