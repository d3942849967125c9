"""How texts look: ids that clients choose, names of callers, moments, and regular expressions in documents."""

import re
import secrets
from datetime import UTC, datetime

# `X-Request-ID` and `Idempotency-Key`. The rule says the same in words.
CLIENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
CLIENT_ID_RULE = "must be 1 to 64 of A-Z a-z 0-9 . _ -"
# An `Idempotency-Key` may stand in quotes, as the draft of the IETF has it (a string of RFC 8941).
OFFERED_KEY = re.compile(rf'{CLIENT_ID.pattern}|"{CLIENT_ID.pattern}"')
# Names of callers.
CALLER_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
CALLER_NAME_RULE = "must be 1 to 64 of A-Z a-z 0-9 . _ @ -"

# A moment (RFC 3339, section 5.6), with its offset from UTC.
RFC_3339_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")
RFC_3339_RULE = "must be a time (RFC 3339), e.g. 2026-01-02T03:04:05Z"


# What may stand before every path of the service, at a proxy.
PATH_PREFIX = r"(?:/[A-Za-z0-9._~-]+)+"


def anchored(pattern: re.Pattern[str]) -> str:
    """The same for JSON Schema (ECMA 262), where the whole text has to match, as for `fullmatch`."""
    return f"^(?:{pattern.pattern})$"


def request_id_for(offered: str | None) -> str:
    """The id of a request: the client's own (`X-Request-ID`) if it is a `CLIENT_ID`, otherwise a new one."""
    return offered if offered is not None and CLIENT_ID.fullmatch(offered) else secrets.token_hex(16)


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


def utc_text(moment: datetime) -> str:
    """`moment` as RFC 3339 has it, in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
