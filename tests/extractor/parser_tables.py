"""The tables of docs/parsers.md, made from the settings: `python -m tests.extractor.parser_tables`."""

import json
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from extractor.parsing.json_parser import JsonSettings
from extractor.parsing.settings import CsvSettings, TimeIoSettings

MODELS: dict[str, type[BaseModel]] = {"tsm-extractor": CsvSettings, "time.IO": TimeIoSettings, "JSON": JsonSettings}


def table(model: type[BaseModel]) -> str:
    """Markdown: setting, default, meaning."""
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *_rows(model)]) + "\n"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        yield f"| `{name}` | {_default(field)} | {meaning} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    if field.default is None:
        return ""
    return f"`{json.dumps(field.default, default=_plain, ensure_ascii=False)}`"


def _plain(value: BaseModel) -> object:
    return value.model_dump(exclude_defaults=True)


if __name__ == "__main__":
    for title, model in MODELS.items():
        print(f"## {title}\n\n{table(model)}")
