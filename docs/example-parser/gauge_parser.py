"""Reads what our water gauges send: lines of `T=2026-01-01T00:00:00Z;W=102;B=12.5`."""

from collections.abc import Iterator
from typing import BinaryIO

import pandas as pd
from pydantic import BaseModel, ConfigDict

from extractor.errors import ExtractorError
from extractor.parsing.columns import Column
from extractor.parsing.parser import Parser


class GaugeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    time_key: str = "T"


class GaugeParser(Parser[GaugeSettings]):
    settings_model = GaugeSettings

    def read(self, stream: BinaryIO) -> Iterator[list[Column]]:
        lines = [line.split(";") for line in stream.read().decode().splitlines()]
        frame = pd.DataFrame([dict(field.split("=", 1) for field in fields) for fields in lines])
        if self.settings.time_key not in frame:
            raise ExtractorError(f"no line has {self.settings.time_key} (setting `time_key`)")
        times = pd.DatetimeIndex(pd.to_datetime(frame.pop(self.settings.time_key), utc=True))
        self.report.add_rows(times.tz_localize(None).to_numpy())
        yield [Column.of(name, name, times, frame[name].astype(float).to_numpy()) for name in frame]
