"""Spellings of time spans that pandas took earlier, in those that it takes now. Pure."""

import re

# pandas 2.2 deprecated these, pandas 3 has no longer got them; a month is ME since then, and so on.
_UNITS = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "BH": "bh"}
_ENDS = {"M": "ME", "Q": "QE", "Y": "YE", "A": "YE"}

_SPAN = re.compile(r"\s*([+-]?\d*\.?\d*)\s*([A-Za-z]+)\s*")


def modern_span(written: str) -> str:
    """`1H` as `1h`, `10T` as `10min`, `1M` as `1ME`; any other text as it is."""
    match = _SPAN.fullmatch(written)
    if match is None:
        return written
    count, unit = match.groups()
    return f"{count}{(_UNITS | _ENDS).get(unit, unit)}"
