"""A table that is written into a file in some way comes back with the settings that describe the way."""

import io

import pytest
from hypothesis import HealthCheck, given, settings

from extractor import parsers
from extractor.parsing import lines
from extractor.parsing.columns import RESULT_STRING
from tests.extractor.dialects import Observations, Written, files


def read(written: Written) -> Observations:
    """What the parser makes of the file."""
    entry = {"type": written.parser, "settings": written.settings}
    parser = parsers.parser_for(written.parser, {"parsers": [entry]})
    return {
        (column.position, row.result_time.to_pydatetime()): (
            row.result_string if row.result_type == RESULT_STRING else row.result_number
        )
        for columns in parser.report.watch(parser.read(io.BytesIO(written.content)))
        for column in columns
        for row in column.values.itertuples()
    }


@settings(max_examples=1_000, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(written=files())
@pytest.mark.parametrize("block_lines", [10, 100_000])
def test_a_table_comes_back(written: Written, block_lines: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "BLOCK_LINES", block_lines)
        assert read(written) == written.observations
