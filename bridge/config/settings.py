"""Every setting: its meaning, its unit and the reason for its default stand here.

A setting comes, in this order, from the command line, from an environment variable `BRIDGE_<NAME>` (one in a table with
two underscores, `BRIDGE_PARSE__PARTITION`; lists and tables as JSON), from the TOML file that `--config` or
`BRIDGE_CONFIG_FILE` names. A name that no setting has is refused.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import (
    BaseModel,
    Field,
    IPvAnyAddress,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from bridge.config.auth import OidcSettings, SlurmTokenSettings
from bridge.config.batches import BatchSettings
from bridge.config.kinds import KindSettings
from bridge.config.own_files import refuse_own_files
from bridge.config.types import AbsolutePath, Folders, Hosts, JobVariables, MqttBroker, Origins
from bridge.core.text import PATH_PREFIX
from bridge.policy.denied_hosts import DENIED_BY_DEFAULT
from bridge.policy.uris import is_sqlite

PREFIX = "BRIDGE_"
CONFIG_FILE_VARIABLE = "BRIDGE_CONFIG_FILE"


class SettingsError(Exception):
    """The service cannot start with these settings; the message has a line for each, with its name and the fix."""


class StartError(SettingsError):
    """The service cannot start now: a file, a port or another program is not as it has to be. It may be so later."""


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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)  # the class says which file


class Settings(FromSources):
    """The settings of one running bridge."""

    parse: KindSettings = Field(description="Jobs of kind `parse`")
    qaqc: KindSettings = Field(description="Jobs of kind `qaqc`")
    batch: BatchSettings = Field(BatchSettings(), description="Batches of jobs, and the lane `bulk`")

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
        "client's, and their `X-Forwarded-Proto` is believed; those that other clients send are ignored",
    )
    path_prefix: str = Field(
        "",
        pattern=rf"^(?:{PATH_PREFIX})?$",
        description="Path below which a proxy shows the service (`/slurm-bridge`), for the addresses that it gives to "
        "clients; requests may come with it or without. A trusted proxy may also say so: `X-Forwarded-Prefix`",
    )
    cors_origins: Origins = Field(
        frozenset(),
        description="Origins (`https://tsm.example.org`) whose web pages may call the service from a browser (CORS)",
    )
    token_file: AbsolutePath | None = Field(
        None,
        description="File with the digests of the tokens that callers need, kept by `tsm-bridge token`; left out, "
        "callers need none",
    )
    slurm_tokens: SlurmTokenSettings | None = Field(None, description="Slurm's tokens; left out, none is taken")
    oidc: OidcSettings | None = Field(None, description="OpenID Connect; left out, no such token is taken")
    threads: int = Field(
        100,
        gt=4,
        description="Threads for requests that submit, ask or cancel; all but 4 may wait for Slurm, the next request "
        "gets 503 `overloaded`. `max_waiting_clients` and others come on top: 415 threads in all by default",
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
        description="Connections open at once; to make room for the next one is closed: whose client does not read its "
        "answer, or on which no request has come for longest. The loop looks at all of them each time: 1,000 take a "
        "millisecond",
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
    least_answer_bytes_per_second: int = Field(
        1024,
        ge=0,
        description="How fast a client has to read its answer, in bytes a second over 30 s (or `idle_timeout_seconds`, "
        "where that is less), or its connection is closed; the slowest of mobile links is faster",
    )
    requests_per_second: int = Field(
        2000,
        gt=0,
        description="Requests of one caller (without authentication: of one address) in a second, except those that "
        "need no token; a pipeline sends hundreds. The next gets 429",
    )
    max_pending_jobs: int | None = Field(
        None,
        gt=0,
        description="Jobs of the bridge that may wait in the queue, the next gets 429; left out, as many as Slurm has",
    )
    order_per_thing: bool = Field(
        False,
        description="Jobs of one thing never overlap: they run in the order in which they were submitted. Slurm sees "
        "to it, by the name that they share (`--dependency=singleton`); their kind is then in their comments alone",
    )
    qaqc_coalesce_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="How long a quality-control job that follows a parse waits for more parses of its thing, in "
        "seconds; those with `qaqc` that come meanwhile share one job. 0: each parse has its own",
    )
    keys_kept_hours: int = Field(
        24,
        ge=0,
        le=24 * 31,
        description="For how long a repeated `Idempotency-Key` finds its job once the controller has forgotten it and "
        "the bridge was started again, on a cluster with accounting, which is read so far back then; 0: not at all",
    )
    bad_node_minutes: int = Field(
        0,
        ge=0,
        le=1440,
        description="For how many minutes new jobs leave out a node (`--exclude`) on which jobs of three things have "
        "failed in a row within ten minutes, while jobs ended well on another one; 0: none is left out",
    )
    request_timeout_seconds: float = Field(
        15.0,
        gt=0,
        le=300,
        description="How long the answer to a complete request may take, in seconds, checking its token included; "
        "`?wait=` comes on top. Above slurm.conf's `MessageTimeout` (10 s), after which libslurm says what it knows, "
        "and below the 30 s that proxies wait",
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
    job_environment: JobVariables = Field(
        {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        description="Variables for every job, beside the request's own; it gets none of the service's environment",
    )
    parsers: frozenset[str] | None = Field(None, description="Parser names allowed; left out, any well-formed name")
    target_schemes: frozenset[str] = Field(
        frozenset({"postgresql", "postgresql+psycopg", "oracle", "sqlite"}),
        description="URI schemes a `target` may have; `sqlite` needs `target_folders` too",
    )
    target_folders: Folders = Field(
        (),
        description="Folders on the compute nodes below which `sqlite` targets may lie, none of them with a file of "
        "the service's own; left out, no `sqlite` target is taken",
    )
    source_schemes: frozenset[str] = Field(
        frozenset({"http", "https"}), description="URI schemes a `source` may have; `file` would open the nodes' disks"
    )
    source_folders: Folders = Field((), description="Folders on the compute nodes below which `file` sources may lie")
    source_max_mib: int = Field(
        10_240,
        gt=0,
        description="How much a source may send once it is unpacked, in MiB, as the reference extractor keeps it; it "
        "lies in the node's TMPDIR meanwhile",
    )
    source_max_minutes: int = Field(
        60,
        gt=0,
        description="How long a source may take to send all of it, in minutes, as the reference extractor keeps it",
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
    mqtt_broker: MqttBroker = Field(
        None,
        validation_alias="mqtt_broker",
        description="`HOST:PORT` of the MQTT broker that jobs report to; `None` switches MQTT off",
    )
    mqtt_user: str | None = Field(None, validation_alias="mqtt_user", description="User at the MQTT broker")
    mqtt_password: SecretStr | None = Field(None, validation_alias="mqtt_password", description="Password of that user")
    verbose: bool = Field(False, validation_alias="verbose", description="Log at debug level, here and in the jobs")

    @property
    def has_no_authentication(self) -> bool:
        """Whether callers need no token."""
        return self.token_file is None and self.slurm_tokens is None and self.oidc is None

    def of_kind(self, kind: str) -> KindSettings:
        """The settings of jobs of `kind`: the table of this name. Raises `LookupError` where there is none."""
        if kind not in KIND_TABLES:
            raise LookupError(f"no table of the settings is called {kind}")
        settings: KindSettings = getattr(self, kind)
        return settings

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
    def _check_target_folders(self) -> "Settings":
        has_sqlite = any(map(is_sqlite, self.target_schemes))
        if self.target_folders and not has_sqlite:
            raise ValueError("target_folders are for `sqlite`: add it to target_schemes, or leave target_folders out")
        if has_sqlite and "target_schemes" in self.model_fields_set and not self.target_folders:
            raise ValueError("`sqlite` in target_schemes needs target_folders, below which its files may lie")
        return self

    @model_validator(mode="after")
    def _check_own_files(self) -> "Settings":
        refuse_own_files(
            {"source_folders": self.source_folders, "target_folders": self.target_folders},
            {
                "output_folder": self.output_folder,
                "digest_secret_path": self.digest_secret_path,
                "token_file": self.token_file,
                "slurm_conf_path": self.slurm_conf_path,
                "template_folder": self.template_folder,
                "slurm_tokens.jwks_path": self.slurm_tokens.jwks_path if self.slurm_tokens else None,
                "oidc.jwks": self.oidc.jwks_path if self.oidc else None,
            },
        )
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


# Tables of the settings file: names, and what they hold.
KIND_TABLES = tuple(name for name, field in Settings.model_fields.items() if field.annotation is KindSettings)
TABLES: Mapping[str, type[BaseModel]] = {
    **dict.fromkeys(KIND_TABLES, KindSettings),
    "batch": BatchSettings,
    "slurm_tokens": SlurmTokenSettings,
    "oidc": OidcSettings,
}
