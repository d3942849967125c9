"""Regular expressions for others to read."""

import re


def whole(pattern: re.Pattern[str]) -> str:
    """The same for JSON Schema (ECMA 262), where the whole text has to match, as for `fullmatch`."""
    return f"^(?:{pattern.pattern})$"
