"""Checks of this machine and of the settings by themselves: quick, and without Slurm. They also run at the start."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from jinja2 import TemplateError

from bridge.auth.token_file import TokenFile, TokenFileError
from bridge.config.settings import Settings
from bridge.core.process import allow_open_files
from bridge.core.text import utc_now
from bridge.doctor.findings import Finding, Findings, green, red, yellow
from bridge.http.server.listen import OTHER_DESCRIPTORS
from bridge.http.server.waitress_server import ACCEPTS_AT_ONCE
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.requests.script import render_job_script
from bridge.services import thread_count

FREE_MIN_BYTES = 1024**3


def local_checks(settings: Settings) -> Findings:
    """Those that a service may run at its start."""
    if os.geteuid() == 0:
        yield yellow(
            "user",
            "this is root, who may read and write everything",
            "run doctor as the user that the service runs as: sudo -u USER tsm-bridge doctor …",
        )
    yield _output_folder(settings.output_folder)
    yield from _templates(settings)
    yield from _extractors(settings)
    yield from _tokens(settings)
    yield from _hosts(settings)
    yield from _folders(settings)
    yield _open_files(settings)


def _output_folder(folder: Path) -> Finding:
    check, user = "output_folder", pwd.getpwuid(os.geteuid()).pw_name
    if not folder.is_dir():
        return red(
            check, f"{folder} is not a folder here", f"install -d -m 0750 -o {user} {folder}, here and on the nodes"
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        return red(
            check, f"{user} cannot read {folder}, so no job's output", f"chown {user} {folder} && chmod 0750 {folder}"
        )
    return green(check, f"{folder} can be read")


def write_check(folder: Path) -> Finding:
    """Whether there is room for what jobs print. The service itself may be kept from writing there; jobs are not."""
    check, user = "output_folder", pwd.getpwuid(os.geteuid()).pw_name
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(65_536))
            file.flush()
    except OSError as error:
        return red(check, f"cannot write to {folder}: {error.strerror}", _space_or_owner(folder, user, error))
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < FREE_MIN_BYTES:
        return yellow(
            check, f"{free_bytes / 1024**2:.0f} MiB are free in {folder}", "make room: old outputs of jobs lie there"
        )
    return green(check, f"{folder} can be written")


def _space_or_owner(folder: Path, user: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"chown {user} {folder}"
    return f"make room in the file system of {folder}: df {folder}; old outputs of jobs lie there"


def _templates(settings: Settings) -> Findings:
    for kind in KIND_NAMES:
        try:
            render_job_script(kind, settings.of_kind(kind).extractor_command, settings.template_folder)
        except (TemplateError, UnicodeDecodeError) as error:
            yield red(
                "template_folder",
                f"{kind}.sh.j2 cannot be used: {error!r}",
                f"correct {kind}.sh.j2 in {settings.template_folder}; the packaged one is a model",
            )
        else:
            yield green("template_folder", f"the script of {kind} renders")


def _extractors(settings: Settings) -> Findings:
    """Whether the command would start here; nodes may have it elsewhere."""
    path = settings.job_environment.get("PATH", os.defpath)
    for kind in KIND_NAMES:
        interpreter, *_, program = settings.of_kind(kind).extractor_command
        missing = [
            word
            for word, is_there in (
                (interpreter, shutil.which(interpreter, path=path)),
                (program, os.access(program, os.R_OK)),
            )
            if not is_there
        ]
        check = f"{kind}.extractor_command"
        if missing:
            yield yellow(check, f"{', '.join(missing)} is not on this machine", "doctor --probe looks on a node")
        else:
            yield green(check, f"{interpreter} and {program} are on this machine")


def _tokens(settings: Settings) -> Findings:
    if settings.token_file is None:
        if settings.oidc is None and settings.slurm_tokens is None:
            yield yellow("token_file", "callers need no token: every user of this machine may call", "set token_file")
        return
    try:
        entries = TokenFile.as_operator(settings.token_file).read()
    except TokenFileError as error:
        yield red(
            "token_file", str(error), f"correct {settings.token_file}; tsm-bridge token list says whether it is good"
        )
        return
    expired = [entry.name for entry in entries if entry.expires_at is not None and entry.expires_at <= utc_now()]
    if expired:
        fix = f"tsm-bridge token revoke {expired[0]}; tsm-bridge token create --name {expired[0]} …"
        make = red if len(expired) == len(entries) else yellow
        yield make("token_file", f"expired: {', '.join(expired)}; these callers get 401", fix)
    elif not entries:
        yield yellow("token_file", "there is no token", "tsm-bridge token create --name … --scope …")
    else:
        yield green("token_file", f"{len(entries)} tokens, none has expired")


def _hosts(settings: Settings) -> Findings:
    for name, hosts in (("source_hosts", settings.source_hosts), ("target_hosts", settings.target_hosts)):
        if hosts is None:
            yield yellow(name, "a request may name any host that denied_hosts does not name", f"set {name}")
        elif hosts:
            yield green(name, f"{len(hosts)} hosts may be named")
        else:
            yield red(name, "no host may be named, so no request passes", f"name hosts in {name}, or leave it out")


def _folders(settings: Settings) -> Findings:
    for name, folders in (("source_folders", settings.source_folders), ("target_folders", settings.target_folders)):
        for folder in folders:
            if folder.is_dir():
                yield green(name, f"{folder} is there")
            else:
                yield yellow(
                    name, f"{folder} is not a folder here", "jobs need it on the nodes: make it, or take it out"
                )


def _open_files(settings: Settings) -> Finding:
    needed = settings.max_connections + ACCEPTS_AT_ONCE + thread_count(settings) + OTHER_DESCRIPTORS
    limit = allow_open_files(needed)
    if limit is not None:
        fix = f"LimitNOFILE={needed} in the unit, or a lower max_connections"
        return red("max_connections", f"{needed} files may be open at once, and the limit is {limit}", fix)
    return green("max_connections", f"{needed} files may be open at once")
