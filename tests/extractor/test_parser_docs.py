"""docs/parsers.md says what the settings are, and shows the example as it is."""

import pytest
from pydantic import BaseModel

from tests.extractor import things
from tests.extractor.parser_tables import MODELS, table

TEXT = (things.ROOT / "docs" / "parsers.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_the_tables_are_those_of_the_settings(model: type[BaseModel]) -> None:
    assert table(model) in TEXT, "print them anew: python -m tests.extractor.parser_tables"
    assert all(field.description for field in model.model_fields.values())


@pytest.mark.parametrize("name", ["pyproject.toml", "gauge_parser.py"])
def test_the_example_is_the_one_that_is_installed(name: str) -> None:
    assert (things.ROOT / "docs" / "example-parser" / name).read_text(encoding="utf-8") in TEXT
