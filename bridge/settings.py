"""Every setting: its meaning, its unit and the reason for its default stand here.

A setting comes, in this order, from the command line, from an environment variable `BRIDGE_<NAME>` (one in a table with
two underscores, `BRIDGE_PARSE__PARTITION`; lists and tables as JSON), from the TOML file that `--config` or
`BRIDGE_CONFIG_FILE` names. A name that no setting has is refused.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    IPvAnyAddress,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridge.auth.settings import OidcSettings, SlurmTokenSettings
from bridge.denied_hosts import DENIED_BY_DEFAULT
from bridge.setting_types import AbsolutePath, Hosts, SourceFolders

PREFIX = "BRIDGE_"
CONFIG_FILE_VARIABLE = "BRIDGE_CONFIG_FILE"


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


class FromSources(BaseSettings):
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


class Settings(FromSources):
    """The settings of one running bridge."""

    parse: KindSettings = Field(description="Jobs of kind `parse`")
    qaqc: KindSettings = Field(description="Jobs of kind `qaqc`")

    host: str = Field("127.0.0.1", description="Address to listen on; beyond loopback only where callers need a token")
    port: int = Field(5000, gt=0, le=65535, description="Port to listen on; the one that existing clients know")
    socket_path: AbsolutePath | None = Field(
        None,
        description="Unix socket to listen on instead of `host` and `port`, for a proxy on this machine; its user has "
        "to be in the group of the service's. Its `X-Forwarded-For` and `X-Forwarded-Proto` are believed",
    )
    trusted_proxies: frozenset[IPvAnyAddress] = Field(
        frozenset(),
        description="Addresses of proxies, as a list; the last address in their `X-Forwarded-For` is taken for the "
        "client's, and their `X-Forwarded-Proto` is believed; anybody else's is ignored",
    )
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
    max_connections: int = Field(
        1000,
        le=10_000,
        description="Connections open at once; to make room for the next, that one is closed on which no request has "
        "come for longest. The loop looks at all of them each time: 1,000 take a millisecond",
    )
    max_body_bytes: int = Field(
        65_536,
        ge=1024,
        le=2**24,
        description="Body of a request, in bytes; 1000 ids or the longest URIs take a third of it. One more gets 413",
    )
    max_header_bytes: int = Field(
        16_384,
        ge=1024,
        le=2**18,
        description="Address and headers of a request, in bytes; a token may take half of it. One more gets 431",
    )
    read_timeout_seconds: float = Field(
        20.0,
        gt=0,
        description="Until when a request has to be complete after its first byte, in seconds; most are one packet, so "
        "this is for the worst of networks. Then 408",
    )
    idle_timeout_seconds: int = Field(
        120,
        gt=0,
        description="How long a connection stays open without a request, or while its client does not read the answer, "
        "in seconds; longer than proxies keep theirs (nginx: 60 s), or a request may meet the closing",
    )
    requests_per_second: int = Field(
        2000,
        gt=0,
        description="Requests of one caller (without authentication: of one address) in a second, except those that "
        "anybody may send; a pipeline sends hundreds. The next gets 429",
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

    @model_validator(mode="after")
    def _check_listener(self) -> "Settings":
        if self.socket_path and (given := self.model_fields_set & {"host", "port", "trusted_proxies"}):
            raise ValueError(
                f"socket_path takes the place of {' and '.join(sorted(given))}: leave out one or the other"
            )
        busy_max = self.threads + self.max_waiting_clients
        if self.max_connections <= busy_max:
            raise ValueError(f"max_connections has to be above threads + max_waiting_clients, which is {busy_max}")
        return self


KINDS = tuple(name for name, field in Settings.model_fields.items() if field.annotation is KindSettings)
TABLES: Mapping[str, type[BaseModel]] = {
    **dict.fromkeys(KINDS, KindSettings),
    "slurm_tokens": SlurmTokenSettings,
    "oidc": OidcSettings,
}
