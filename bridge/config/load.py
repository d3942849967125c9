"""Reads the settings, and says in a line for each what is wrong with them."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import new_class
from typing import Any, TypeVar, cast, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from bridge.config.own_files import refuse_own_files
from bridge.config.settings import (
    CONFIG_FILE_VARIABLE,
    PREFIX,
    TABLES,
    FromSources,
    Settings,
    SettingsError,
    StartError,
)
from bridge.config.types import AbsolutePath
from bridge.core.files import refuse_exposed

_Model = TypeVar("_Model", bound=BaseSettings)


class _TokenFileSetting(FromSources):
    """The setting `token_file` alone; the others are ignored."""

    model_config = SettingsConfigDict(extra="ignore")

    token_file: AbsolutePath | None = None


def load_settings(overrides: Mapping[str, Any], config_file: Path | None = None) -> Settings:
    """The settings from all sources; `overrides` and `config_file` are those of the command line.

    Without `config_file` the file that `BRIDGE_CONFIG_FILE` names is read, if that is set. Raises `SettingsError` that
    names each bad or unknown setting. It never shows a value: it may be a secret.
    """
    _refuse_unknown_variables()
    config_file = _existing_file(config_file)
    settings = _load(Settings, overrides, config_file)
    if config_file is not None:
        _refuse_exposed_secrets(config_file)
        _refuse_open_file(config_file, settings)
    return settings


def load_token_file_setting(config_file: Path | None = None) -> Path | None:
    """The setting `token_file`, for a command that needs no other: those may be wrong or missing.

    `config_file` is as for `load_settings`. Raises `SettingsError` where the setting cannot be read.
    """
    return _load(_TokenFileSetting, {}, _existing_file(config_file)).token_file


def _existing_file(config_file: Path | None) -> Path | None:
    """The settings file of the command line, or else of the environment; `None` where neither names one."""
    variable = os.environ.get(CONFIG_FILE_VARIABLE)
    source = CONFIG_FILE_VARIABLE if config_file is None else "--config"
    path = Path(variable) if config_file is None and variable else config_file
    if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
        raise StartError(f"{source}: cannot read {path}")
    return path


def _load(model: type[_Model], overrides: Mapping[str, Any], config_file: Path | None) -> _Model:
    try:
        return _reading(config_file, model)(**overrides)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config_file} is not TOML: {error}") from None
    except SourceError as error:
        raise SettingsError(f"{error}: lists and tables are given as JSON") from None
    raise SettingsError("\n".join(_line(detail["loc"], detail["msg"]) for detail in details))


def _reading(config_file: Path | None, model: type[_Model]) -> type[_Model]:
    """`model`, made to read `config_file` too: pydantic-settings takes the file from the class (`toml_file`)."""
    members = {"__module__": __name__, "model_config": SettingsConfigDict(toml_file=config_file)}
    return cast("type[_Model]", new_class(model.__name__, (model,), exec_body=lambda body: body.update(members)))


def _refuse_exposed_secrets(config_file: Path) -> None:
    """Raise `SettingsError` where `config_file` holds a secret, and others than its owner may read or write it."""
    try:
        refuse_exposed(config_file, config_file.stat())
    except ValueError as error:
        for name in tomllib.loads(config_file.read_text("utf-8")):
            field = Settings.model_fields.get(name.lower())
            if field is not None and SecretStr in get_args(field.annotation):
                raise StartError(f"{name}: {error}") from None


def _refuse_open_file(config_file: Path, settings: Settings) -> None:
    folders = {"source_folders": settings.source_folders, "target_folders": settings.target_folders}
    try:
        refuse_own_files(folders, {"the settings file": config_file})
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _refuse_unknown_variables() -> None:
    known = {(PREFIX + name).upper() for name in Settings.model_fields} | {CONFIG_FILE_VARIABLE}
    known -= {f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if field.validation_alias}
    tables = tuple(f"{PREFIX}{table}__".upper() for table in TABLES)
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(PREFIX) and name not in known and not name.startswith(tables):
            raise SettingsError(f"{variable}: no setting has this name; see the settings table in docs/operators.md")


def _line(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        return text
    name = ".".join(str(part) for part in location)
    field = Settings.model_fields.get(str(location[0]))
    prefix = "" if field is None or field.validation_alias else PREFIX
    setting = location[: 2 if location[0] in TABLES else 1]
    variable = prefix + "__".join(map(str, setting)).upper()
    if text == "Extra inputs are not permitted":
        return f"{name}: no setting has this name; see the settings table in docs/operators.md"
    return f"{name} (or {variable} in the environment): {text}"
