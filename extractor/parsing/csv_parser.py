"""CSV files: a delimited text file becomes one series of observations for each column."""

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from extractor.parsing import formats
from extractor.parsing.columns import Column
from extractor.parsing.head import read_head
from extractor.parsing.lines import blocks
from extractor.parsing.parser import Parser
from extractor.parsing.report import Note, Report
from extractor.parsing.rows import RowReader
from extractor.parsing.settings import CsvSettings, TimeIoSettings
from extractor.parsing.table import Table
from extractor.parsing.times import TimeReader
from extractor.parsing.zones import Localizer


class CsvParser(Parser[CsvSettings | TimeIoSettings]):
    """Reads delimited text files; its settings have either form."""

    settings_model = CsvSettings

    def __init__(self, settings: CsvSettings | TimeIoSettings) -> None:
        super().__init__(settings)
        self.layout = settings.layout()
        self.report = Report(self.layout.on_bad_rows)

    def read(self, stream: BinaryIO) -> Iterator[Sequence[Column]]:
        """The file's columns, 100,000 lines at a time, so that a file of any size fits into a job's memory.

        Raises:
            ExtractorError: the file does not fit the settings; where it is one row, its line and column are named.
        """
        layout, report = self.layout, self.report
        times = TimeReader(layout.times, Localizer(layout.zone, report))
        report.without_time_of_day = not formats.has_time_of_day(times.format)

        def left_out(lines: Sequence[str]) -> None:
            report.note(Note.UNREAD, times.rows_among(layout.dialect.plain_records(lines)))

        lines = blocks(stream, layout.encoding, layout.skipfooter, left_out)
        head, rest = read_head(lines, layout, times, left_out)
        rows = RowReader(layout.dialect, report, head.width, head.width_from, layout.values.is_number, times.is_time)
        table = Table(report, times, layout.values, layout.time_setting)
        for part in rows.read(rest):
            head.check(rows.width, rows.width_from)
            head.refuse_other(part.columns, part.lines)
            yield table.columns(part.columns, part.lines, head.targets(rows.width or 0), head.time_place, part.bad)
        times.localizer.finish()
