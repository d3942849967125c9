"""A thing with numbers and settings of quality control, and the labels that it gets."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import insert

from extractor import store
from extractor.storing.site_tables import look_at
from extractor.storing.writer import ensure_datastreams
from tests.extractor import things

OTHER_UUID = "9a1e3f04-0c63-4d2c-9d2b-6a1f3f1b2c3d"
PROJECT = "2f8f5a3e-6d0f-4b1c-9a53-0c9a4f2a7b61"
RANGE = {"function": "flagRange", "kwargs": {"max": 1}}
BAD = [1.0, 2.0, 1.0]
HOURS = pd.date_range("2026-01-01", periods=48, freq="h", tz="UTC")


def fill(target: str, uuid: str = things.UUID_TEXT, /, **columns: Sequence[float | None]) -> None:
    """Numbers for a thing that exists, hour by hour; `p1=[…]` are those at position 1, None leaves an hour out."""
    engine = store.connect(target)
    owner = store.find_thing(engine, UUID(uuid))
    with engine.begin() as connection:
        for name, values in columns.items():
            position = name.removeprefix("p")
            identifier = ensure_datastreams(connection, owner, [position], look_at(connection))[position]
            rows = [
                {"datastream_id": identifier, "result_time": hour.to_pydatetime(), "result_type": 0}
                | {"result_number": value}
                for hour, value in zip(HOURS, values, strict=False)
                if value is not None
            ]
            if rows:
                connection.execute(insert(store.observation), rows)


def datastore(target: str, properties: dict[str, Any] | None, **columns: Sequence[float | None]) -> None:
    """The thing with its settings and numbers."""
    things.add(target, properties)
    fill(target, **columns)


def labels(target: str, position: str = "1") -> str:
    """One character for each value of the thing's: `.` good, `x` bad, `?` without a label."""
    found = things.observations(target)
    of_position = found[found["position"] == position]["result_quality"]
    return "".join(
        "?" if not one else {"0.0": ".", "255.0": "x", "-inf": "-"}[one["annotation"]] for one in of_position
    )


def settings(*functions: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """`thing.properties` with settings as time.IO writes them."""
    written = {
        "version": 3,
        "default": True,
        "name": "usual",
        "project_uuid": PROJECT,
        "context_window": "5h",
        "functions": list(functions),
    }
    return {"QAQC": written | changes}


def field(position: int | str, **more: Any) -> dict[str, Any]:
    return {"arg_name": "field", "position": position} | more
