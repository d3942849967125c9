"""Types of settings."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.policy.hosts import HostList


def _absolute(path: Path) -> Path:
    path = path.expanduser()
    if not path.is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _hosts(entries: frozenset[str]) -> frozenset[str]:
    HostList.of(entries)
    return entries


def _folders(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    if any(":" in str(folder) or ".." in folder.parts for folder in folders):
        raise ValueError("may hold no `:` and no `..`")  # the extractor gets them with colons between them
    return folders


def _none_switches_off(value: Any) -> Any:
    return None if value in ("None", "") else value


def _origins(origins: frozenset[str]) -> frozenset[str]:
    if not all(re.fullmatch(r"https?://[a-z0-9.\-\[\]:]+", origin) for origin in origins):
        raise ValueError("must be origins, as browsers send them: https://HOST or https://HOST:PORT, in lower case")
    return origins


def _broker(address: str) -> str:
    if not 0 < int(address.rpartition(":")[2]) <= 65535:
        raise ValueError("its port must be 1 to 65535")
    return address


def _variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    for name in environment:
        if name.startswith("EXTRACTOR_"):
            raise ValueError(f"{name} is made of the settings of folders and hosts: use these")
        if not name.isidentifier() or name.startswith(("SLURM_", "TSM_")):
            raise ValueError(f"{name} is not a name that operators may set for jobs")
    return environment


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Hosts = Annotated[frozenset[str], AfterValidator(_hosts)]  # each an entry of `bridge.policy.hosts.HostList`
Folders = Annotated[tuple[AbsolutePath, ...], AfterValidator(_folders)]
_Broker = Annotated[str, Field(pattern=r"^\S+:[0-9]{1,5}$"), AfterValidator(_broker)]
MqttBroker = Annotated[_Broker | None, BeforeValidator(_none_switches_off)]
Origins = Annotated[frozenset[str], AfterValidator(_origins)]
JobVariables = Annotated[dict[str, str], AfterValidator(_variables)]
