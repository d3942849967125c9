"""What a thing's `properties.storing` may say: how its files change what is stored already. Pure."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from extractor.errors import ExtractorError
from extractor.parsers import explain


class StoringSettings(BaseModel):
    """How the observations of a file are put together with those of earlier files."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    blank_values: Literal["remove", "keep"] = "remove"
    """What becomes of a stored observation for whose time the file has no value.

    A file is right about the times that it has: a corrected file, and one that is read again with a longer `na_values`,
    take back what was wrong. `keep` is for files that complete one another at the same times.
    """


def storing_of(properties: dict[str, Any] | None) -> StoringSettings:
    """The settings among a thing's properties.

    Raises:
        ExtractorError: they are wrong; the message names the key.
    """
    try:
        return StoringSettings.model_validate((properties or {}).get("storing", {}))
    except ValidationError as error:
        raise ExtractorError(f"wrong settings for storing: {explain(error)}") from error
