"""What a parser hands to the writer: the observations of a file, column by column, some ten thousand rows at a time."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

RESULT_NUMBER = 0
RESULT_STRING = 1
RESULT_BOOLEAN = 3

NOTHING = -1


@dataclass(frozen=True)
class Column:
    """Observations of one column of the file.

    `values` has the columns `result_time` (UTC), `result_type`, `result_number` (float or NaN), `result_string` (text
    or None) and, where the column has truth values, `result_boolean` (True, False or None). `blank_times` (UTC) are the
    times of rows without a value in this column.
    """

    position: str
    header: str
    values: pd.DataFrame
    blank_times: pd.DatetimeIndex

    @classmethod
    def of(
        cls,
        position: str,
        header: str,
        times: pd.DatetimeIndex,
        numbers: np.ndarray,
        texts: np.ndarray | None = None,
        truths: np.ndarray | None = None,
    ) -> "Column":
        """The column of `numbers` (float) at `times` (with a time zone); NaN is no observation.

        `texts` and `truths` have the values that are no numbers, and None elsewhere.
        """
        kinds = np.where(np.isnan(numbers), NOTHING, RESULT_NUMBER)
        if texts is not None:
            kinds[pd.notna(texts)] = RESULT_STRING
        if truths is not None:
            kinds[pd.notna(truths)] = RESULT_BOOLEAN
        kept = kinds != NOTHING
        utc = times.tz_convert("UTC")
        values = {
            "result_time": utc[kept],
            "result_type": kinds[kept].astype("int16"),
            "result_number": numbers[kept],
            "result_string": _objects(texts, len(kinds))[kept],
        }
        if truths is not None:
            values["result_boolean"] = truths[kept]
        return cls(position, header, pd.DataFrame(values), utc[~kept])


def _objects(values: np.ndarray | None, count: int) -> pd.Series:
    return pd.Series(np.full(count, None) if values is None else values, dtype=object)
