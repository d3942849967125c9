"""What a thing's `properties.QAQC` may say. Pure."""

from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from extractor.errors import ExtractorError
from extractor.parsers import explain


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


def _position(value: object) -> object:
    # Stored as text, mostly written as a number.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _window(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a number of observations, or a time span such as '4D'")  # noqa: TRY004 - pydantic's protocol
    try:
        window = int(value)
    except ValueError:
        window = pd.Timedelta(value)
    if pd.isna(window) or window < type(window)(0):
        raise ValueError("cannot be negative")
    return window


class Test(_Settings):
    """One SaQC function applied to the datastream at `position`."""

    position: Annotated[str, BeforeValidator(_position)]
    function: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    name: str | None = None


class Config(_Settings):
    """The tests of a thing, in the order in which they run."""

    type: Literal["SaQC"]
    name: str = ""
    context_window: Annotated[int | pd.Timedelta, BeforeValidator(_window)]
    """How much already checked data before the unchecked data is shown to the tests (many judge a value by its
    neighbours): so many observations, or all those of so long a time."""
    tests: list[Test]


class _Qaqc(_Settings):
    default: Annotated[int, Field(ge=0)]
    configs: list[Config]


def config_of(properties: dict[str, Any] | None) -> Config | None:
    """The default one of a thing's configurations; None where it has no QAQC settings.

    Raises:
        ExtractorError: the settings are wrong; the message names the key.
    """
    written = (properties or {}).get("QAQC")
    if not written:
        return None
    try:
        qaqc = _Qaqc.model_validate(written)
    except ValidationError as error:
        raise ExtractorError(f"wrong QAQC settings: {explain(error)}") from error
    if qaqc.default >= len(qaqc.configs):
        raise ExtractorError(
            f"wrong QAQC settings: default is {qaqc.default}, but there are {len(qaqc.configs)} configs"
        )
    return qaqc.configs[qaqc.default]
