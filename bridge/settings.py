"""Every setting: its meaning, its unit and the reason for its default stand here.

A setting comes, in this order, from the command line, from an environment variable `BRIDGE_<NAME>` (one in a table with
two underscores, `BRIDGE_PARSE__PARTITION`; lists and tables as JSON), from the TOML file that `--config` or
`BRIDGE_CONFIG_FILE` names. A name that no setting has is refused.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource
from pydantic_settings import SettingsError as SourceError

from bridge.auth.settings import OidcSettings, SlurmTokenSettings
from bridge.denied_hosts import DENIED_BY_DEFAULT
from bridge.setting_types import AbsolutePath, Hosts, SourceFolders

PREFIX = "BRIDGE_"
CONFIG_FILE_VARIABLE = "BRIDGE_CONFIG_FILE"

_Model = TypeVar("_Model", bound=BaseSettings)


class SettingsError(Exception):
    """The service cannot start with these settings; the message has a line for each, with its name and the fix."""


def _none_switches_off(value: Any) -> Any:
    return None if value in ("None", "") else value


def _broker(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) <= 65535:
        raise ValueError("its port must be 1 to 65535")
    return address


def _variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name in environment:
        if name.startswith("EXTRACTOR_"):
            raise ValueError(f"{name} is made of source_folders, source_hosts or denied_hosts: use these")
        if not name.isidentifier() or name.startswith(("SLURM_", "TSM_")):
            raise ValueError(f"{name} is not a name that operators may set for jobs")
    return environment


MqttBroker = Annotated[str, Field(pattern=r"^\S+:[0-9]{1,5}$"), AfterValidator(_broker)]


class KindSettings(BaseModel):
    """What the operator decides for one kind of job. What is left out is the cluster's choice (its own defaults)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    extractor_command: Annotated[tuple[str, ...], Field(min_length=2)] = Field(
        description="The extractor: an interpreter that reads a Python program from standard input, with its "
        "arguments, then the path of the extractor's main program"
    )
    partition: str | None = Field(None, description="Partition (`--partition`)")
    account: str | None = Field(None, description="Account to charge (`--account`)")
    qos: str | None = Field(None, description="Quality of service (`--qos`)")
    time_limit_minutes: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None, description="Time limit in minutes (`--time`)"
    )
    memory_mib: Annotated[int, Field(gt=0, lt=2**31)] | None = Field(
        None, description="Memory of a job in MiB (`--mem`)"
    )
    cpus: int = Field(1, gt=0, lt=2**15, description="CPUs of a job (`--cpus-per-task`); an extractor uses one")
    nice: int = Field(
        0, ge=-2147483645, le=2147483645, description="How much later than others it may start (`--nice`)"
    )


class _FromSources(BaseSettings):
    """Settings from the three sources of the module's first lines."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,  # compose files pass on unset variables as empty ones
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first."""
        file = TomlConfigSettingsSource(settings_cls, os.environ.get(CONFIG_FILE_VARIABLE) or None)
        return init_settings, env_settings, file


class Settings(_FromSources):
    """The settings of one running bridge."""

    parse: KindSettings = Field(description="Jobs of kind `parse`")
    qaqc: KindSettings = Field(description="Jobs of kind `qaqc`")

    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback only where callers need a token")
    port: int = Field(5000, gt=0, le=65535, description="Port to listen on; the one that existing clients know")
    token_file: AbsolutePath | None = Field(
        None,
        description="File with the digests of the tokens that callers need, kept by `slurm-bridge token`; left out, "
        "nobody is asked for one",
    )
    slurm_tokens: SlurmTokenSettings | None = Field(None, description="Slurm's tokens; left out, none is taken")
    oidc: OidcSettings | None = Field(None, description="OpenID Connect; left out, no such token is taken")
    threads: int = Field(
        100, gt=4, description="Requests handled at once; all but 4 may wait for Slurm, the next gets 503 `overloaded`"
    )
    workers: int = Field(
        8, gt=0, le=64, description="Processes that submit to Slurm, one submission at a time; each takes some 30 MB"
    )
    max_waiting_clients: int = Field(
        256,
        gt=0,
        le=4096,
        description="Requests that may wait for news of a job (`?wait=`) at once, each in a thread of its own; the "
        "next get what is known at once",
    )
    max_pending_jobs: int | None = Field(
        None,
        gt=0,
        description="Jobs of the bridge that may wait in the queue, the next gets 429; left out, as many as Slurm has",
    )
    request_timeout_seconds: float = Field(
        15.0,
        gt=0,
        le=300,
        description="Until when a request has its answer, in seconds; above slurm.conf's `MessageTimeout` (10 s), "
        "after which libslurm says what it knows, and below the 30 s that proxies wait",
    )
    slurm_conf_path: AbsolutePath | None = Field(
        None, description="The cluster's slurm.conf; left out, libslurm finds it as Slurm's own commands do"
    )
    digest_secret_path: AbsolutePath = Field(
        Path("~/.config/slurm-bridge/secret"),
        validate_default=True,
        description="File with the secret for digests of requests, made where it is missing; all bridges on a cluster "
        "need the same",
    )
    output_folder: AbsolutePath = Field(
        Path("/work/sontsm"), description="Working folder of the jobs and place of their output, on the compute nodes"
    )
    template_folder: AbsolutePath | None = Field(
        None, description="Folder with `parse.sh.j2` and `qaqc.sh.j2` to use instead of the packaged ones"
    )
    job_environment: Annotated[dict[str, str], AfterValidator(_variables)] = Field(
        {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        description="Variables for every job, beside the request's own; it gets none of the service's environment",
    )
    parsers: frozenset[str] | None = Field(None, description="Parser names allowed; left out, any well-formed name")
    target_schemes: frozenset[str] = Field(
        frozenset({"postgresql", "postgresql+psycopg", "oracle", "sqlite"}),
        description="URI schemes a `target` may have",
    )
    source_schemes: frozenset[str] = Field(
        frozenset({"http", "https"}), description="URI schemes a `source` may have; `file` would open the nodes' disks"
    )
    source_folders: SourceFolders = Field(
        (), description="Folders on the compute nodes below which `file` sources may lie"
    )
    source_hosts: Hosts | None = Field(
        None,
        description="Hosts a `source` may name: names, `*.DOMAIN`, addresses, networks (`10.0.0.0/8`); left out, any",
    )
    target_hosts: Hosts | None = Field(None, description="The same for a `target`; `sqlite` names no host")
    denied_hosts: Hosts = Field(
        DENIED_BY_DEFAULT,
        description="Hosts that no `source` and no `target` may lead to, whatever else is allowed; in the default "
        "addresses at which clouds hand out credentials, and, as `0.0.0.0/8` and `::`, the node itself under a name "
        "that is not loopback's; a list of your own replaces it",
    )
    # These four keep the names without prefix that the service has always had.
    mqtt_broker: Annotated[MqttBroker | None, BeforeValidator(_none_switches_off)] = Field(
        None,
        validation_alias="mqtt_broker",
        description="`HOST:PORT` of the MQTT broker that jobs report to; `None` switches MQTT off",
    )
    mqtt_user: str | None = Field(None, validation_alias="mqtt_user", description="User at the MQTT broker")
    mqtt_password: SecretStr | None = Field(None, validation_alias="mqtt_password", description="Password of that user")
    verbose: bool = Field(False, validation_alias="verbose", description="Log at debug level, here and in the jobs")

    @model_validator(mode="after")
    def _check_mqtt(self) -> "Settings":
        if self.mqtt_broker and not (self.mqtt_user and self.mqtt_password):
            raise ValueError("mqtt_broker needs mqtt_user and mqtt_password: set MQTT_USER and MQTT_PASSWORD")
        return self

    @model_validator(mode="after")
    def _check_source_folders(self) -> "Settings":
        if ("file" in self.source_schemes) != bool(self.source_folders):
            raise ValueError("source_folders and the scheme `file` in source_schemes need each other: set both or none")
        return self


class _TokenFileSetting(_FromSources):
    """The setting `token_file` alone; the others are ignored."""

    model_config = SettingsConfigDict(extra="ignore")

    token_file: AbsolutePath | None = None


KINDS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is KindSettings)
TABLES: Mapping[str, type[BaseModel]] = {
    **dict.fromkeys(KINDS, KindSettings),
    "slurm_tokens": SlurmTokenSettings,
    "oidc": OidcSettings,
}


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
        if SecretStr in get_args(Settings.model_fields[name].annotation):
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
