"""Which parsers there are, and how a thing's settings for one are found.

Packages beside the extractor may bring more, by entry points of the group `tsm_extractor.parsers`.
"""

from collections.abc import Sequence
from importlib.metadata import entry_points
from typing import Any

from pydantic import ValidationError

from extractor.errors import ExtractorError
from extractor.parsing import settings as csv_settings
from extractor.parsing.csv_parser import CsvParser
from extractor.parsing.json_parser import JsonParser
from extractor.parsing.parser import Parser

ENTRY_POINTS = "tsm_extractor.parsers"

# The names of tsm-extractor and of time.IO today for the same.
_CSV = ("CsvParser", "csv")
_JSON = "json"
_OWN = (*_CSV, _JSON)


def names() -> list[str]:
    """The names of all parsers."""
    return [*_OWN, *sorted(entry_points(group=ENTRY_POINTS).names - set(_OWN))]


def parser_for(name: str, properties: dict[str, Any] | None) -> Parser[Any]:
    """The parser of that name, with its settings among a thing's properties: the first entry of `parsers` of that type.

    Raises:
        ExtractorError: there are none, or they are wrong; the message names the key.
    """
    settings = _settings_for(name, properties)
    try:
        if name in _CSV:
            return CsvParser(csv_settings.model_for(name, settings).model_validate(settings))
        parser: type[Parser[Any]] = JsonParser if name == _JSON else _installed(name)
        return parser(parser.settings_model.model_validate(settings))
    except ValidationError as error:
        raise ExtractorError(f"wrong settings for {name}: {explain(error)}") from error
    except ValueError as error:
        raise ExtractorError(f"wrong settings for {name}: {error}") from error


def _settings_for(name: str, properties: dict[str, Any] | None) -> Any:
    entries = (properties or {}).get("parsers")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ExtractorError("the thing has no parser settings: its properties have no list `parsers`")
    for known in _by_any_name(name):
        for entry in entries:
            if entry.get("type") == known:
                return entry.get("settings")
    types = ", ".join(sorted(str(entry.get("type")) for entry in entries)) or "nothing"
    raise ExtractorError(f"the thing has no settings for {name}: its properties.parsers has {types}")


def _by_any_name(name: str) -> Sequence[str]:
    """The name itself first, then the other one for the same parser."""
    return (name, *(other for other in _CSV if other != name)) if name in _CSV else (name,)


def _installed(name: str) -> type[Parser[Any]]:
    (found,) = entry_points(group=ENTRY_POINTS, name=name)
    parser = found.load()
    if not (isinstance(parser, type) and issubclass(parser, Parser)):
        raise ExtractorError(
            f"the parser {name} is {found.value}, which is no class derived from {Parser.__module__}.Parser"
        )
    return parser


def explain(error: ValidationError) -> str:
    """All that is wrong with some settings, in one line: `key: reason; key: reason`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors()
    )
