"""What the README says of settings and errors is what the code does."""

from pathlib import Path

import pytest

from bridge.errors import BridgeError
from tests.support.settings_table import settings_table

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_table_of_settings_is_complete_and_true() -> None:
    assert settings_table() in README, "run python -m tests.support.settings_table"


@pytest.mark.parametrize("error", BridgeError.__subclasses__(), ids=lambda error: error.type)
def test_every_error_is_documented(error: type[BridgeError]) -> None:
    assert f"`{error.type}`" in README
    assert str(error.status) in README
