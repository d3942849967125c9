"""What every parser is: settings that pydantic checks, and `read`, which makes columns of a file's bytes.

A package of one's own adds a parser by deriving a class from `Parser` and naming it among its entry points:

    [project.entry-points."tsm_extractor.parsers"]
    AnotherCustomParser = "my_package:AnotherCustomParser"
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import BinaryIO, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from extractor.parsing.columns import Column
from extractor.parsing.report import Report

SettingsT = TypeVar("SettingsT", bound=BaseModel)


class Parser(ABC, Generic[SettingsT]):
    """Reads one kind of file. `report` takes what is to be told about the file beside its observations."""

    settings_model: ClassVar[type[BaseModel]]

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings
        self.report = Report()

    @abstractmethod
    def read(self, stream: BinaryIO) -> Iterable[Sequence[Column]]:
        """The file's columns, a part of its rows at a time.

        Raises:
            ExtractorError: the file does not fit the settings; its text says where, and what to do.
        """
