"""The README's table of settings, made from the settings themselves: `python -m tests.support.settings_table`."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge.settings import KINDS, PREFIX, KindSettings, Settings
from tests.support.samples import of_each_kind


def settings_table() -> str:
    """Markdown: name in the settings file, variable, default, meaning."""
    rows = ["| setting | variable | default | meaning |", "|---|---|---|---|", *_rows(Settings), *_rows(KindSettings)]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if field.annotation is KindSettings:
            continue
        setting, variable = _names(model, name, field)
        yield f"| `{setting}` | `{variable}` | {_default(field)} | {field.description} |"


def _names(model: type[BaseModel], name: str, field: FieldInfo) -> tuple[str, str]:
    if model is KindSettings:
        return "`, `".join(f"{kind}.{name}" for kind in KINDS), "`, `".join(of_each_kind(name, ""))
    return name, name.upper() if field.validation_alias else PREFIX + name.upper()


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(required)"
    return "" if field.default is None else f"`{_text(field.default)}`"


def _text(value: Any) -> str:
    """As one may write it into a variable."""
    if isinstance(value, (frozenset, tuple, dict, bool)):
        return json.dumps(sorted(value) if isinstance(value, frozenset) else value)
    return str(value)


if __name__ == "__main__":
    print(settings_table(), end="")
