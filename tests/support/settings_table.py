"""The operators' table of settings, made from the settings themselves: `python -m tests.support.settings_table`."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.config.kinds import KindSettings
from bridge.config.settings import KIND_TABLES, PREFIX, TABLES, Settings
from tests.support.samples import of_each_kind


def settings_table() -> str:
    """Markdown: name in the settings file, variable, default, meaning."""
    rows = ["| setting | variable | default | meaning |", "|---|---|---|---|", *_rows(Settings), *_rows(KindSettings)]
    for table, model in TABLES.items():
        if model is not KindSettings:
            rows += _rows(model, table)
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if model is Settings and name in TABLES:
            continue
        setting, variable = _names(model, name, field, table)
        yield f"| `{setting}` | `{variable}` | {_default(field)} | {field.description} |"


def _names(model: type[BaseModel], name: str, field: FieldInfo, table: str) -> tuple[str, str]:
    if model is KindSettings:
        return "`, `".join(f"{kind}.{name}" for kind in KIND_TABLES), "`, `".join(of_each_kind(name, ""))
    if table:
        return f"{table}.{name}", f"{PREFIX}{table}__{name}".upper()
    return name, name.upper() if field.validation_alias else PREFIX + name.upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    return "" if field.default is None else f"`{_text(field.default)}`"


def _text(value: Any) -> str:
    """As one may write it into a variable."""
    if isinstance(value, (frozenset, tuple, dict, bool)):
        return json.dumps(value, default=sorted)  # which is for sets
    return str(value)


if __name__ == "__main__":
    print(settings_table(), end="")
