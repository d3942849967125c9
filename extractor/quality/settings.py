"""What a thing's `properties.QAQC` may say, as tsm-extractor and as time.IO write it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import pandas as pd
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from extractor.errors import ExtractorError
from extractor.parsers import explain
from extractor.quality.spelling import modern_span
from extractor.store import Thing


@dataclass(frozen=True)
class SeriesKey:
    """Where a series lies: at a position of a thing, or behind an id of time.IO's sensor management.

    `thing_uuid` is None for the thing that is checked.
    """

    position: str | None = None
    thing_uuid: str | None = None
    sta_stream_id: int | None = None

    def __str__(self) -> str:
        if self.sta_stream_id is not None:
            return f"sta_stream_id {self.sta_stream_id}"
        return f"position {self.position}" + (f" of thing {self.thing_uuid}" if self.thing_uuid else "")


@dataclass(frozen=True)
class Period:
    """What is checked, both ends included, whatever labels it has. With neither end: what has no label yet."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, eq=False)
class Test:
    """One SaQC function applied to series, which are called by their names in `Config.series`.

    The function reads `fields` and what `kwargs` name; its flags go to `targets`.
    """

    number: int
    function: str
    fields: tuple[str, ...]
    targets: tuple[str, ...]
    kwargs: Mapping[str, Any]
    user_label: str | None

    def __str__(self) -> str:
        return f"QAQC test {self.number} ({self.function} at {', '.join(self.fields)})"


@dataclass(frozen=True)
class Config:
    """The tests of a thing, in the order in which they run, and the series that they name."""

    name: str
    context_window: int | pd.Timedelta
    tests: tuple[Test, ...]
    series: Mapping[str, SeriesKey]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, populate_by_name=True)


def _text(value: object) -> object:
    # Stored as text, mostly written as a number.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _list(value: object) -> object:
    return value if isinstance(value, list) or value is None else [value]


def _window(value: object) -> object:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("a number of observations, or a time span such as '4D'")  # noqa: TRY004 - pydantic's protocol
    try:
        window = int(value)
    except ValueError:
        window = pd.Timedelta(modern_span(str(value)))
    if pd.isna(window):
        raise ValueError("a number of observations, or a time span such as '4D'")
    if window < type(window)(0):
        raise ValueError("cannot be negative")
    return window


Text = Annotated[str, BeforeValidator(_text)]


class _Place(_Written):
    """A series of any thing in the datastore."""

    model_config = ConfigDict(extra="forbid")
    thing_uuid: UUID
    position: Text


Series = Annotated[list[Text | _Place] | None, BeforeValidator(_list)]


class _Stream(_Written):
    """A series as time.IO writes it: what it is to the function, and where it lies."""

    arg_name: str = "field"
    alias: str | None = None
    sta_stream_id: int | None = None
    sta_thing_id: int | None = Field(None, validation_alias=AliasChoices("sta_thing_id", "thing_sta_id"))
    thing_uuid: UUID | None = None
    position: Annotated[str | None, BeforeValidator(_text)] = None

    @model_validator(mode="after")
    def _is_somewhere(self) -> "_Stream":
        if self.position is None and self.sta_stream_id is None:
            raise ValueError("needs a position, or an sta_stream_id")
        return self

    @property
    def name(self) -> str:
        if self.alias is None and self.position is None:
            return f"T{self.sta_thing_id}S{self.sta_stream_id}"
        return self.alias or _name(str(self.position), self.thing_uuid)

    @property
    def key(self) -> SeriesKey:
        if self.position is None:
            return SeriesKey(sta_stream_id=self.sta_stream_id)
        return _key(self.position, self.thing_uuid)


class _Test(_Written):
    """A test as either world writes it."""

    model_config = ConfigDict(extra="forbid")
    function: str = Field(validation_alias=AliasChoices("function", "func_id"))
    position: Annotated[str | None, BeforeValidator(_text)] = None
    field: Series = None
    target: Series = None
    datastreams: list[_Stream] | None = Field(None, validation_alias=AliasChoices("datastreams", "streams"))
    kwargs: dict[str, Any] = Field(default_factory=dict, validation_alias=AliasChoices("kwargs", "args"))
    name: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_series_out_of_kwargs(cls, written: Any) -> Any:
        kwargs = written.get("kwargs", written.get("args")) if isinstance(written, dict) else None
        if not isinstance(kwargs, dict) or not {"field", "target"} & kwargs.keys():
            return written
        named = {key: value for key, value in kwargs.items() if key in ("field", "target")}
        rest = {key: value for key, value in kwargs.items() if key not in named}
        return {key: value for key, value in written.items() if key != "args"} | named | {"kwargs": rest}

    @model_validator(mode="after")
    def _names_its_series_once(self) -> "_Test":
        if sum(given is not None for given in (self.position, self.field, self.datastreams)) != 1:
            raise ValueError("give one of position, field, datastreams")
        return self

    def streams(self) -> Iterator[tuple[str, str, SeriesKey]]:
        """(argument of the function, name, key) of each series outside of `kwargs`."""
        for stream in self.datastreams or ():
            yield stream.arg_name, stream.name, stream.key
        fields = [self.position] if self.position is not None else self.field
        for argument, written in (("field", fields), ("target", self.target)):
            for one in written or ():
                yield argument, *_place(one)


def _place(written: str | _Place) -> tuple[str, SeriesKey]:
    if isinstance(written, str):
        return written, SeriesKey(written)
    return _name(written.position, written.thing_uuid), _key(written.position, written.thing_uuid)


def _name(position: str, thing_uuid: UUID | None) -> str:
    return f"{thing_uuid}/{position}" if thing_uuid else position


def _key(position: str, thing_uuid: UUID | None) -> SeriesKey:
    return SeriesKey(position, str(thing_uuid) if thing_uuid else None)


class _Config(_Written):
    """Settings of quality control as either world writes them."""

    model_config = ConfigDict(extra="forbid")
    type: Literal["SaQC"] = "SaQC"
    version: Literal[1, 2, 3] | None = None
    name: str = ""
    default: bool = True
    project_uuid: UUID | None = None
    context_window: Annotated[int | pd.Timedelta, BeforeValidator(_window)]
    """How much already checked data before the data in question is shown to the tests (many judge a value by its
    neighbours): so many observations, or all those of so long a time."""
    tests: list[_Test] = Field(validation_alias=AliasChoices("tests", "functions"))


class _Qaqc(_Written):
    """tsm-extractor's list of settings, and the number of the one to use."""

    model_config = ConfigDict(extra="forbid")
    default: Annotated[int, Field(ge=0)]
    configs: list[_Config]


_Several = TypeAdapter(list[_Config])


def config_of(thing: Thing, name: str | None = None, project_uuid: UUID | None = None) -> Config | None:
    """The configuration of that name and project among a thing's; without a name the default one.

    None where the thing has no QAQC settings, or none of them is the default.

    Raises:
        ExtractorError: the settings are wrong, or there is not one of that name or project; the message says which.
    """
    written = (thing.properties or {}).get("QAQC")
    if not written:
        if name is not None:
            raise ExtractorError(f"the thing has no QAQC settings, so none called {name!r}")
        return None
    try:
        configs, default = _read(written)
    except ValidationError as error:
        raise ExtractorError(f"wrong QAQC settings: {explain(error)}") from error
    of_project = [config for config in configs if project_uuid is None or config.project_uuid in (None, project_uuid)]
    if not of_project:
        raise ExtractorError(f"none of the thing's QAQC settings belongs to project {project_uuid}")
    chosen = _called(of_project, name) if name is not None else default if default in of_project else None
    return None if chosen is None else _config(chosen)


def _read(written: Any) -> tuple[list[_Config], _Config | None]:
    """All settings, and the default one: tsm-extractor gives its number, time.IO marks it."""
    if isinstance(written, dict) and not {"tests", "functions"} & written.keys():
        qaqc = _Qaqc.model_validate(written)
        if qaqc.default >= len(qaqc.configs):
            raise ExtractorError(
                f"wrong QAQC settings: default is {qaqc.default}, but there are {len(qaqc.configs)} configs"
            )
        return qaqc.configs, qaqc.configs[qaqc.default]
    configs = _Several.validate_python(written if isinstance(written, list) else [written])
    return configs, next((config for config in configs if config.default), None)


def _called(configs: list[_Config], name: str) -> _Config:
    for config in configs:
        if config.name == name:
            return config
    known = ", ".join(repr(config.name) for config in configs)
    raise ExtractorError(f"none of the thing's QAQC settings is called {name!r}: there is {known}")


def _config(written: _Config) -> Config:
    series: dict[str, SeriesKey] = {}
    tests = tuple(_test(number, test, series) for number, test in enumerate(written.tests))
    return Config(written.name, written.context_window, tests, series)


def _test(number: int, written: _Test, series: dict[str, SeriesKey]) -> Test:
    named: dict[str, list[str]] = {}
    for argument, name, key in written.streams():
        if series.setdefault(name, key) != key:
            raise ExtractorError(f"wrong QAQC settings: tests.{number}: {name!r} names two series")
        named.setdefault(argument, []).append(name)
    fields = tuple(named.pop("field", ()))
    if not fields:
        raise ExtractorError(f"wrong QAQC settings: tests.{number}: no series has the arg_name `field`")
    targets = tuple(named.pop("target", fields))
    others = {argument: names if len(names) > 1 else names[0] for argument, names in named.items()}
    label = written.kwargs.get("label") or written.name
    return Test(number, written.function, fields, targets, {**written.kwargs, **others}, label)
