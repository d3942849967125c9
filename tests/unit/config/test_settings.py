"""Where settings come from, and what is refused in which words."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from bridge.config.load import load_settings
from bridge.config.settings import TABLES, Settings, SettingsError
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.services import thread_count
from tests.support.samples import of_each_kind

COMMAND = '["/opt/python", "/opt/main.py"]'


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIDGE_CONFIG_FILE", "MQTT_BROKER", "MQTT_USER", "MQTT_PASSWORD", "VERBOSE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in of_each_kind("extractor_command", COMMAND).items():
        monkeypatch.setenv(name, value)


def config_file(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    path = folder / "config.toml"
    path.write_text(text, errors="surrogateescape")
    monkeypatch.setenv("BRIDGE_CONFIG_FILE", str(path))


def test_defaults_are_enough_beside_the_extractor() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port) == ("127.0.0.1", 5000)
    assert settings.parse.extractor_command == ("/opt/python", "/opt/main.py")
    assert settings.mqtt_broker is None


def test_the_command_line_beats_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path, monkeypatch, 'host = "::1"\nport = 1\nworkers = 1\n[parse]\npartition = "p"\nnice = 5\n')
    monkeypatch.setenv("BRIDGE_PORT", "2")
    monkeypatch.setenv("BRIDGE_HOST", "::2")
    monkeypatch.setenv("BRIDGE_PARSE__NICE", "7")
    settings = load_settings({"host": "::3"})
    assert (settings.host, settings.port, settings.workers) == ("::3", 2, 1)
    assert (settings.parse.partition, settings.parse.nice) == ("p", 7)


def test_mqtt_keeps_its_old_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MQTT_BROKER", "broker:1883")
    monkeypatch.setenv("MQTT_USER", "user")
    monkeypatch.setenv("MQTT_PASSWORD", "canary")
    monkeypatch.setenv("VERBOSE", "true")
    settings = load_settings({})
    assert (settings.mqtt_broker, settings.mqtt_user, settings.verbose) == ("broker:1883", "user", True)
    assert settings.mqtt_password is not None
    assert settings.mqtt_password.get_secret_value() == "canary"
    assert "canary" not in repr(settings)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERBOSE", "")
    monkeypatch.setenv("BRIDGE_PARSE__ACCOUNT", "")
    settings = load_settings({})
    assert (settings.verbose, settings.parse.account) == (False, None)


@pytest.mark.parametrize("off", ["None", ""])
def test_mqtt_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, off: str) -> None:
    monkeypatch.setenv("MQTT_BROKER", off)
    assert load_settings({}).mqtt_broker is None


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        pytest.param("BRIDGE_PRT", "1", "BRIDGE_PRT: no setting has this name", id="unknown"),
        pytest.param("BRIDGE_PARSE__CPU", "1", "parse.cpu: no setting has this name", id="unknown-in-kind"),
        pytest.param("BRIDGE_MQTT_USER", "u", "BRIDGE_MQTT_USER: no setting has this name", id="prefix-too-many"),
        pytest.param("BRIDGE_PORT", "canary", "port (or BRIDGE_PORT in the environment): ", id="no-number"),
        pytest.param("BRIDGE_PORT", "65536", "less than or equal to 65535", id="port-range"),
        pytest.param("BRIDGE_PARSE__CPUS", "0", "parse.cpus (or BRIDGE_PARSE__CPUS in", id="cpus"),
        pytest.param("BRIDGE_PARSE__TIME_LIMIT_MINUTES", "-1", "BRIDGE_PARSE__TIME_LIMIT_MINUTES", id="time-limit"),
        pytest.param("BRIDGE_THREADS", "4", "threads (or BRIDGE_THREADS", id="threads"),
        pytest.param("BRIDGE_SOCKET_PATH", "s", "socket_path (or BRIDGE_SOCKET_PATH", id="relative-socket"),
        pytest.param("BRIDGE_TRUSTED_PROXIES", '["nginx"]', "trusted_proxies.", id="proxy-without-address"),
        pytest.param("BRIDGE_MAX_CONNECTIONS", "300", "above threads + max_waiting_clients", id="few-connections"),
        pytest.param("BRIDGE_PARSE__MEMORY_MIB", str(2**40), "parse.memory_mib", id="more-than-slurm-can-count"),
        pytest.param(
            "BRIDGE_PARSE__RETRY_CAUSES", '["exit_code_1"]', "means that the data are wrong", id="retry-wrong-data"
        ),
        pytest.param("BRIDGE_PARSE__RETRY_CAUSES", '["cancelled"]', "must be node_failure", id="retry-cancelled"),
        pytest.param("BRIDGE_PARSE__RETRY_CAUSES", '["time_limit"]', "needs retry_time_max_minutes", id="retry-bound"),
        pytest.param("BRIDGE_CONFIG_FILE", "/etc", "BRIDGE_CONFIG_FILE: cannot read /etc", id="folder-for-file"),
        pytest.param("BRIDGE_OUTPUT_FOLDER", "canary/x", "must be an absolute path", id="relative"),
        pytest.param("BRIDGE_TARGET_SCHEMES", "canary", "given as JSON", id="not-json"),
        pytest.param("BRIDGE_JOB_ENVIRONMENT", '{"SLURM_JWT": "canary"}', "SLURM_JWT is not a name", id="job-slurm"),
        pytest.param(
            "BRIDGE_JOB_ENVIRONMENT", '{"EXTRACTOR_FILE_ROOTS": "/"}', "made of the settings of folders", id="job-roots"
        ),
        pytest.param("BRIDGE_SOURCE_SCHEMES", '["file"]', "source_folders and the scheme `file`", id="file-anywhere"),
        pytest.param("BRIDGE_SOURCE_FOLDERS", '["/a"]', "source_folders and the scheme `file`", id="folders-unused"),
        pytest.param("BRIDGE_SOURCE_FOLDERS", '["/a:/b"]', "may hold no `:`", id="folder-with-colon"),
        pytest.param("BRIDGE_SOURCE_FOLDERS", '["/a/.."]', "may hold no `:` and no `..`", id="folder-above"),
        pytest.param("BRIDGE_TARGET_SCHEMES", '["sqlite"]', "`sqlite` in target_schemes needs", id="sqlite-anywhere"),
        pytest.param("BRIDGE_TARGET_FOLDERS", '["/work"]', "is or holds output_folder", id="folder-with-outputs"),
        pytest.param("BRIDGE_TARGET_FOLDERS", '["/work/sontsm"]', "is or holds output_folder", id="folder-of-outputs"),
        pytest.param("BRIDGE_TARGET_FOLDERS", '["/"]', "is or holds", id="every-folder"),
        pytest.param("BRIDGE_PATH_PREFIX", "canary/", "path_prefix (or BRIDGE_PATH_PREFIX", id="prefix"),
        pytest.param("BRIDGE_CORS_ORIGINS", '["*"]', "must be origins, as browsers send them", id="origins"),
        pytest.param("BRIDGE_SOURCE_HOSTS", '["10.0.0.1/8"]', "'10.0.0.1/8' is no host name", id="network-and-host"),
        pytest.param("BRIDGE_TARGET_HOSTS", '["http://db/"]', "target_hosts (or BRIDGE", id="uri-for-host"),
        pytest.param("BRIDGE_DENIED_HOSTS", '["*"]', "'*' is no host name", id="host-pattern"),
        pytest.param("BRIDGE_CONFIG_FILE", "/nowhere", "BRIDGE_CONFIG_FILE: cannot read /nowhere", id="no-file"),
        pytest.param("BRIDGE_OIDC__ISSUR", "x", "oidc.issur: no setting has this name", id="unknown-in-table"),
        pytest.param("BRIDGE_OIDC__ISSUER", "http://canary", "must be an https URL", id="issuer-http"),
        pytest.param(
            "BRIDGE_OIDC__ISSUER", "https://i", "oidc.audience (or BRIDGE_OIDC__AUDIENCE in", id="no-audience"
        ),
        pytest.param("BRIDGE_OIDC__JWKS", "http://canary/jwks", "http is for loopback only", id="keys-over-http"),
        pytest.param("BRIDGE_OIDC__JWKS", "https://u:canary@idp/", "must be an https URL", id="keys-with-password"),
        pytest.param(
            "BRIDGE_OIDC__JWKS", "canary.json", "must be an https URL or an absolute path", id="keys-relative"
        ),
        pytest.param("BRIDGE_OIDC__JWKS", "file:///canary", "must be an https URL or an absolute", id="keys-file-url"),
        pytest.param("BRIDGE_OIDC__SCOPES", '{"a": ["canary"]}', "(or BRIDGE_OIDC__SCOPES in the", id="no-such-scope"),
        pytest.param("BRIDGE_SLURM_TOKENS__USERS", "{}", "slurm_tokens.users (or BRIDGE_SLURM_", id="nobody"),
        pytest.param("BRIDGE_SLURM_TOKENS__USERS", '{"": []}', "slurm_tokens.users", id="user-without-name"),
        pytest.param(
            "BRIDGE_SLURM_TOKENS",
            '{"users": {"a": []}, "user_claim": "u"}',
            "needs jwks_path",
            id="claim-of-no-use",
        ),
        pytest.param("MQTT_BROKER", "canary", "mqtt_broker (or MQTT_BROKER in the environment)", id="broker-no-port"),
        pytest.param("MQTT_BROKER", "canary:65536", "its port must be 1 to 65535", id="broker-port-range"),
        pytest.param("MQTT_BROKER", "canary:0", "its port must be 1 to 65535", id="broker-port-0"),
        pytest.param("BRIDGE_TOKEN_FILE", "canary/x", "must be an absolute path", id="relative-token-file"),
        pytest.param("MQTT_BROKER", "h:1", "set MQTT_USER and MQTT_PASSWORD", id="broker-without-user"),
    ],
)
def test_bad_settings_are_named_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("prt = 1", "prt: no setting has this name", id="unknown"),
        pytest.param("[parse]\ncpu = 1", "parse.cpu: no setting has this name", id="unknown-in-kind"),
        pytest.param("port = ", "is not TOML", id="not-toml"),
        pytest.param("# \udcff", "is not TOML", id="not-utf-8"),
        pytest.param('mqtt_password = ["canary"]', "mqtt_password (or MQTT_PASSWORD in", id="secret"),
    ],
)
def test_bad_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    config_file(tmp_path, monkeypatch, text)
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    assert message in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620], ids=oct)
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    config_file(tmp_path, monkeypatch, 'mqtt_password = "canary"\n')
    path = tmp_path / "config.toml"
    path.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        load_settings({})
    assert str(caught.value) == f"mqtt_password: others may read or write {path}: chmod 600 {path}"


def test_a_secret_in_a_file_of_ones_own_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path, monkeypatch, 'mqtt_password = "canary"\n')
    (tmp_path / "config.toml").chmod(0o600)
    assert load_settings({}).mqtt_password is not None


def test_a_file_without_secrets_may_be_read_by_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path, monkeypatch, 'mqtt_user = "user"\n')
    (tmp_path / "config.toml").chmod(0o644)
    monkeypatch.setenv("MQTT_PASSWORD", "canary")
    assert load_settings({}).mqtt_user == "user"


def test_the_extractor_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BRIDGE_QAQC__EXTRACTOR_COMMAND")
    with pytest.raises(SettingsError, match=r"qaqc \(or BRIDGE_QAQC in the environment\): Field required"):
        load_settings({})


@pytest.mark.parametrize("jwks", ["/etc/jwks.json", "https://idp.example/jwks", "http://127.0.0.1:8080/jwks"])
def test_tables_in_the_environment(monkeypatch: pytest.MonkeyPatch, jwks: str) -> None:
    monkeypatch.setenv("BRIDGE_OIDC__ISSUER", "https://idp.example")
    monkeypatch.setenv("BRIDGE_OIDC__AUDIENCE", "tsm")
    monkeypatch.setenv("BRIDGE_OIDC__JWKS", jwks)
    monkeypatch.setenv("BRIDGE_SLURM_TOKENS__USERS", '{"alice": ["submit", "read"]}')
    settings = load_settings({})
    assert settings.oidc is not None
    assert (settings.oidc.issuer, settings.oidc.jwks) == ("https://idp.example", jwks)
    assert settings.slurm_tokens is not None
    assert settings.slurm_tokens.users == {"alice": {"submit", "read"}}


def test_no_tokens_are_taken_unless_asked_for() -> None:
    settings = load_settings({})
    assert (settings.oidc, settings.slurm_tokens) == (None, None)


@pytest.mark.parametrize("setting", ["token_file", "digest_secret_path", "slurm_conf_path", "template_folder"])
@pytest.mark.parametrize("folders", ["target_folders", "source_folders"])
def test_no_open_folder_holds_a_file_of_the_services_own(tmp_path: Path, setting: str, folders: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "own")
    schemes = {"source_schemes": ["file"]} if folders == "source_folders" else {}
    settings = {setting: tmp_path / "own" / "x", folders: [tmp_path / "link"], **schemes}
    with pytest.raises(SettingsError, match=f"{folders}: one of them is or holds {setting}"):
        load_settings(settings)
    assert load_settings({**settings, folders: [tmp_path / "other"]})


def test_no_open_folder_holds_the_keys_of_the_identity_provider() -> None:
    oidc = {"issuer": "https://login.example", "audience": "bridge", "jwks": "/data/keys.json"}
    with pytest.raises(SettingsError, match=r"target_folders: one of them is or holds oidc\.jwks"):
        load_settings({"oidc": oidc, "target_folders": ["/data"]})
    assert load_settings({"oidc": {**oidc, "jwks": "https://login.example/keys"}, "target_folders": ["/data"]})


def test_no_open_folder_holds_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_file(tmp_path, monkeypatch, f'target_folders = ["{tmp_path}"]\n')
    with pytest.raises(SettingsError, match="target_folders: one of them is or holds the settings file"):
        load_settings({}, tmp_path / "config.toml")


def test_target_folders_are_for_sqlite() -> None:
    with pytest.raises(SettingsError, match="target_folders are for `sqlite`"):
        load_settings({"target_folders": ["/stores"], "target_schemes": ["postgresql"]})


def test_every_setting_says_what_it_means() -> None:
    models: list[type[BaseModel]] = [Settings, *TABLES.values()]
    fields = [item for model in models for item in model.model_fields.items()]
    assert [name for name, field in fields if not field.description] == []


def test_the_number_of_threads_is_what_the_setting_says() -> None:
    description = Settings.model_fields["threads"].description
    assert description is not None
    assert f"{thread_count(load_settings({}))} threads in all by default" in description


def test_every_kind_of_jobs_has_its_settings() -> None:
    settings = load_settings({})
    assert [settings.of_kind(kind) for kind in KIND_NAMES] == [settings.parse, settings.qaqc]
    for other in ("port", "of_kind", "nothing"):
        with pytest.raises(LookupError):
            settings.of_kind(other)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("BRIDGE_HOST", "127.0.0.1", id="host"),
        pytest.param("BRIDGE_PORT", "5000", id="port"),
        pytest.param("BRIDGE_TRUSTED_PROXIES", '["127.0.0.1"]', id="proxies"),
    ],
)
def test_a_socket_and_what_it_takes_the_place_of(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv("BRIDGE_SOCKET_PATH", "/run/bridge.sock")
    assert str(load_settings({}).socket_path) == "/run/bridge.sock"
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"socket_path takes the place of {name.removeprefix('BRIDGE_').lower()}"):
        load_settings({})
