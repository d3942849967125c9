"""Reading the settings, and saying in one line each what is wrong with them."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from bridge.setting_types import AbsolutePath
from bridge.settings import CONFIG_FILE_VARIABLE, PREFIX, TABLES, FromSources, Settings, SettingsError

_Model = TypeVar("_Model", bound=BaseSettings)


class _TokenFileSetting(FromSources):
    """The setting `token_file` alone; the others are ignored."""

    model_config = SettingsConfigDict(extra="ignore")

    token_file: AbsolutePath | None = None


def load_settings(overrides: Mapping[str, Any]) -> Settings:
    """The settings from all sources; `overrides` are those of the command line.

    Raises `SettingsError` that names each bad or unknown setting. It never shows a value: it may be a secret.
    """
    _refuse_unknown_variables()
    settings = _load(Settings, overrides)
    _refuse_secrets_for_all()
    return settings


def load_token_file_setting() -> Path | None:
    """The setting `token_file`, for a command that needs no other: those may be wrong or missing.

    Raises `SettingsError` where it cannot be read.
    """
    return _load(_TokenFileSetting, {}).token_file


def _load(model: type[_Model], overrides: Mapping[str, Any]) -> _Model:
    config_file = os.environ.get(CONFIG_FILE_VARIABLE)
    if config_file and not (Path(config_file).is_file() and os.access(config_file, os.R_OK)):
        raise SettingsError(f"{CONFIG_FILE_VARIABLE}: cannot read {config_file}")
    try:
        return model(**overrides)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config_file} is not TOML: {error}") from None
    except SourceError as error:
        raise SettingsError(f"{error}: lists and tables are given as JSON") from None
    raise SettingsError("\n".join(_line(detail["loc"], detail["msg"]) for detail in details))


def _refuse_secrets_for_all() -> None:
    """A secret in a settings file that others than its owner may read is none."""
    if not (config_file := os.environ.get(CONFIG_FILE_VARIABLE)) or not Path(config_file).stat().st_mode & 0o077:
        return
    for name in tomllib.loads(Path(config_file).read_text("utf-8")):
        field = Settings.model_fields.get(name.lower())
        if field is not None and SecretStr in get_args(field.annotation):
            raise SettingsError(f"{name}: others may read it in {config_file}: chmod 600 {config_file}")


def _refuse_unknown_variables() -> None:
    known = {(PREFIX + name).upper() for name in Settings.model_fields} | {CONFIG_FILE_VARIABLE}
    known -= {f"{PREFIX}{name.upper()}" for name, field in Settings.model_fields.items() if field.validation_alias}
    tables = tuple(f"{PREFIX}{table}__".upper() for table in TABLES)
    for variable in os.environ:
        name = variable.upper()
        if name.startswith(PREFIX) and name not in known and not name.startswith(tables):
            raise SettingsError(f"{variable}: no setting has this name; see the settings table of the README")


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
        return f"{name}: no setting has this name; see the settings table of the README"
    return f"{name} (or {variable} in the environment): {text}"
