"""deploy/compose.yaml and what belongs to it fit each other."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from bridge.config.load import load_settings

FOLDER = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (FOLDER / "compose" / "Dockerfile").read_text()
SLURM_CONF = (FOLDER / "compose" / "slurm.conf").read_text()
ENTRY = (FOLDER / "compose" / "entry").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_an_image_a_command_and_starts_again(name: str) -> None:
    service = SERVICES[name]
    target = service["build"]["target"]
    stage = re.search(rf"^FROM \S+ AS {target}$(.*?)(?=^FROM|\Z)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert stage, f"no stage {target}"
    assert service["image"] == f"tsm-{target}"
    command = service.get("command") or re.findall(r'^CMD \["(.*)"\]$', stage[1], re.MULTILINE)
    assert re.search(rf"^{command[0]}\)", ENTRY, re.MULTILINE), f"entry does not know {command}"
    assert service["restart"] == "unless-stopped"


def test_each_secret_is_made(tmp_path: Path) -> None:
    script = (FOLDER / "compose" / "secrets").read_text()
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    made = subprocess.run(
        ["bash", "-c", f"cd {tmp_path} && mkdir compose && cat >compose/secrets && bash compose/secrets host.example"],
        input=script.replace("chown 1000:1000", "true"),
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        text=True,
        capture_output=True,
        check=False,
    )
    if "needs root" in made.stderr:
        pytest.skip("needs root")
    assert made.returncode == 0, made.stderr
    for name, secret in COMPOSE["secrets"].items():
        path = tmp_path / secret["file"]
        assert path.read_bytes(), name
        assert path.stat().st_mode & 0o077 == (0o044 if name == "tls.crt" else 0), name


def test_the_bridge_is_confined_and_believes_nginx_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bridge, nginx = SERVICES["bridge"], SERVICES["nginx"]
    assert bridge["read_only"] is True
    assert bridge["cap_drop"] == ["ALL"]
    assert re.search(r"AS bridge$.*^USER sontsm$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    path = FOLDER / "compose" / "bridge.toml"
    assert tomllib.loads(path.read_text())["trusted_proxies"] == [nginx["networks"]["tsm"]["ipv4_address"]]
    for name, text in {**bridge["environment"], "MQTT_PASSWORD": "invented"}.items():
        monkeypatch.setenv(name, text)
    settings = load_settings({}, path)
    assert settings.port == 5000


def test_each_node_has_a_service() -> None:
    match = re.search(r"^NodeName=n\[1-(\d+)\]", SLURM_CONF, re.MULTILINE)
    assert match
    nodes = {name for name, service in SERVICES.items() if service.get("command") == ["slurmd"]}
    assert nodes == {f"n{number}" for number in range(1, int(match[1]) + 1)}
    assert all(SERVICES[name]["hostname"] == name for name in nodes)
