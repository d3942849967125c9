"""Which parsers there are, and how a thing's settings for one are found."""

from typing import Any

from pydantic import ValidationError

from extractor.csv_parser import CsvSettings
from extractor.errors import ExtractorError

NAMES = ("CsvParser",)


def settings_for(parser: str, properties: dict[str, Any] | None) -> CsvSettings:
    """The settings for `parser` among a thing's properties: the first entry of `parsers` with that type.

    Raises:
        ExtractorError: there are none, or they are wrong; the message names the key.
    """
    entries = (properties or {}).get("parsers")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ExtractorError("the thing has no parser settings: its properties have no list `parsers`")
    for entry in entries:
        if entry.get("type") == parser:
            try:
                return CsvSettings.model_validate(entry.get("settings"))
            except ValidationError as error:
                raise ExtractorError(f"wrong settings for {parser}: {explain(error)}") from error
    known = ", ".join(sorted(str(entry.get("type")) for entry in entries)) or "nothing"
    raise ExtractorError(f"the thing has no settings for {parser}: its properties.parsers has {known}")


def explain(error: ValidationError) -> str:
    """All that is wrong with some settings, in one line: `key: reason; key: reason`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in item['loc']) or 'settings'}: {item['msg']}" for item in error.errors()
    )
