"""Timestamp formats: which ones say a moment, and what a text in one looks like."""

import re

from extractor.parsing.zones import ABBREVIATIONS

UNIX_SECONDS = "UNIX_S"
UNIX_MILLISECONDS = "UNIX_MS"
ISO8601 = "ISO8601"
WORDS = (UNIX_SECONDS, UNIX_MILLISECONDS, ISO8601)

_DIRECTIVE = re.compile(r"%(.)")
_KNOWN = frozenset("aAdbBmyYHIpMSfzZjUWGVu%")
# How many digits a directive has at the most, and, between others without anything in between, at the least.
_DIGITS = {"Y": 4, "G": 4, "m": 2, "d": 2, "y": 2, "H": 2, "I": 2, "M": 2, "S": 2, "j": 3, "V": 2, "f": 9, "u": 1}
_NEIGHBOURS = re.compile(r"%[YmdyHMSjIVG]%[YmdyHMSjIVG]")
_GROUPED = {"H": "hour", "M": "minute", "S": "second", "j": "day"}
OFFSET = r"Z|[+-](?:\d\d?(?::\d\d)?|\d{4})"
"""How far a time is from UTC, as a regular expression."""
# The same, and the name of a zone, where a format ends with them in the place of %z and %Z.
_WRITTEN_OFFSET = re.compile(r"(?<=%[MSfp])(.*?)(?:\+\d\d|[+-]\d\d:?\d\d)$")
_WRITTEN_NAME = re.compile(r"(?<![A-Za-z])[A-Za-z]+$")


def check(text: str) -> str:
    """The format, without blanks around it.

    Raises:
        ValueError: a text in this format does not say a moment; the message says what is missing.
    """
    text = text.strip()
    if text in WORDS:
        return text
    if text.lower() == "mixed":
        raise ValueError("'mixed' guesses anew in each row, and takes 03/04 for 4 March or 3 April; write the format")
    if text == "%s":
        raise ValueError(f"for seconds since 1970 write {UNIX_SECONDS}, for milliseconds {UNIX_MILLISECONDS}")
    if word := next((word for word in WORDS if word in text.split()), None):
        raise ValueError(f"{word} stands for a whole time, and goes with nothing else")
    if "%Z" in text.removesuffix("%Z"):
        raise ValueError(f"{text!r}: a zone's name (%Z) has to be the last part")
    directives = _DIRECTIVE.findall(text)
    found = set(directives)
    if unknown := sorted(found - _KNOWN):
        raise ValueError(f"%{unknown[0]} is unknown; known are %{' %'.join(sorted(_KNOWN))} and {', '.join(WORDS)}")
    if twice := next((one for one in directives if one != "%" and directives.count(one) > 1), None):
        raise ValueError(f"{text!r}: %{twice} is there twice")
    if reason := _missing_date(found) or _contradiction(found) or _zone_in_between(text):
        raise ValueError(f"{text!r}: {reason}")
    return text


def _missing_date(found: set[str]) -> str | None:
    if not found & set("yYG"):
        return "a year is missing (%Y or %y)"
    if "j" in found or {"G", "V", "u"} <= found:
        return None
    if not found & set("mbB"):
        return "a month is missing (%m, or the day of the year, %j)"
    return None if "d" in found else "a day is missing (%d, or the day of the year, %j)"


def _contradiction(found: set[str]) -> str | None:
    if "I" in found and "p" not in found:
        return "%I has 12 hours and needs %p (AM or PM); 24 hours are %H"
    if "p" in found and "I" not in found:
        return "%p (AM or PM) goes with %I, the hour of 12, and would be ignored with %H"
    if "M" in found and not found & set("HI"):
        return "there are minutes (%M) and no hour (%H)"
    if "S" in found and "M" not in found:
        return "there are seconds (%S) and no minutes (%M)"
    return None


def _zone_in_between(text: str) -> str | None:
    words = [word for part in re.split("%.", with_zone(text)) for word in re.findall("[A-Za-z]+", part)]
    name = next((word for word in words if ABBREVIATIONS.get(word)), None)
    return f"{name} is a zone, which would be ignored here: its name (%Z) has to be the last part" if name else None


def with_zone(text: str) -> str:
    """The format with `%z` or `%Z` in the place of a zone that is written out at its end, as `Z` and `CET` are."""
    if "%z" in text or "%Z" in text or text in WORDS:
        return text
    if _WRITTEN_OFFSET.search(text):
        return _WRITTEN_OFFSET.sub(r"\1%z", text)
    name = _WRITTEN_NAME.search(re.split("%.", text)[-1])
    if name is None or name[0] not in ABBREVIATIONS:
        return text
    return text.removesuffix(name[0]) + ("%z" if name[0] == "Z" else "%Z")


def has_time_of_day(text: str) -> bool:
    """Whether it has hours."""
    return text in WORDS or "%H" in text or "%I" in text


def padded_digits(text: str, length: int) -> int:
    """How many digits a column of this format has where the text has `length`, and the zeros in front were left out.

    `%H%M` has 4, so that `5` is 0:05; `%f` alone has 3, 6 or 9, so that `50` is 50 milliseconds. 0: none were left out.
    """
    if text == "%f":
        return -(-length // 3) * 3
    return {"%H%M": 4, "%H%M%S": 6}.get(text, 0)


def strict_pattern(text: str) -> str | None:
    """What texts have to match where pandas would take too much for a time; None where it does not.

    It reads `130` in `%H%M` as 13:00, and `+200` in `%z` as twenty hours.
    """
    return rf"^{_pattern(text)}$" if _NEIGHBOURS.search(text) or "%z" in text else None


def hour_pattern(text: str) -> re.Pattern[str]:
    """A pattern with the groups `hour`, `minute`, `second` and `day` (of the year), as far as the format has them."""
    return re.compile(_pattern(text), re.IGNORECASE)


def _pattern(text: str) -> str:
    parts = re.split(r"%(.)", text)
    pattern = re.escape(parts[0])
    for place in range(1, len(parts), 2):
        before, directive, literal = parts[place - 1 : place + 2]
        alone = (before or not _is_digits(parts, place - 2)) and (literal or not _is_digits(parts, place + 2))
        pattern += _of(directive, exact=not alone) + re.sub(r"(\\ )+", r"\\s+", re.escape(literal))
    return pattern


def _is_digits(parts: list[str], place: int) -> bool:
    return 0 <= place < len(parts) and parts[place] in _DIGITS


def _of(directive: str, *, exact: bool) -> str:
    if directive == "%":
        return "%"
    if directive == "z":
        return f"(?:{OFFSET})"
    if directive not in _DIGITS:
        return r"[^\s\d]+" if directive in "aAbBp" else r"\S+"
    most = _DIGITS[directive]
    digits = rf"\d{{{most}}}" if exact and directive != "f" else rf"\d{{1,{most}}}"
    return rf"(?P<{_GROUPED[directive]}>{digits})" if directive in _GROUPED else digits
