"""A private, throw-away PostgreSQL for tests: own cluster, own password, free loopback port."""

import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.ports import free_port

READY_TIMEOUT_SECONDS = 30.0
STOP_TIMEOUT_SECONDS = 15.0

# Speed instead of durability: this cluster does not outlive its test.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "2GB",
    "shared_buffers": "128MB",
    "listen_addresses": "127.0.0.1",
}


def binaries() -> Path | None:
    """The folder of the newest installed PostgreSQL server, or None."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(found, key=lambda folder: int(folder.parent.name), default=None)


@dataclass(frozen=True)
class PostgreSQL:
    """A running cluster."""

    port: int
    user: str
    password: str

    def uri(self, database: str = "postgres") -> str:
        """`postgresql://user:password@127.0.0.1:port/database`."""
        return f"postgresql://{self.user}:{self.password}@127.0.0.1:{self.port}/{database}"

    def create_database(self) -> str:
        """Make an empty database; returns its name."""
        name = f"test_{secrets.token_hex(6)}"
        with psycopg.connect(self.uri(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return name


@contextmanager
def running(password: str | None = None) -> Iterator[PostgreSQL]:
    """Start a cluster, wait until it takes connections, stop and delete it at the end.

    Raises:
        RuntimeError: PostgreSQL is not installed or does not start; the message holds what it said.
    """
    folder_of_binaries = binaries()
    if folder_of_binaries is None:
        raise RuntimeError("no PostgreSQL server below /usr/lib/postgresql")
    server = PostgreSQL(free_port(), "tsm", password or secrets.token_hex(12))
    # Below /tmp: the path of a Unix socket may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        password_file = folder / "password"
        password_file.write_text(server.password)
        for path in (folder, password_file):
            _hand_over(path)
        _run(
            [
                *(str(folder_of_binaries / "initdb"), "--pgdata", str(folder / "data"), "--username", server.user),
                *(
                    "--pwfile",
                    str(password_file),
                    "--auth",
                    "scram-sha-256",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C.UTF-8",
                ),
                "--no-sync",
            ],
            folder,
        )
        log = folder / "log"
        options = [f"--{setting}={value}" for setting, value in _SETTINGS.items()]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    *_as_unprivileged(),
                    *(str(folder_of_binaries / "postgres"), "-D", str(folder / "data"), "-p", str(server.port)),
                    *("-k", str(folder), *options),
                ],
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait_until_ready(process, server, folder_of_binaries, log)
            yield server
        finally:
            _stop(process, log)


# PostgreSQL refuses to run as root.
_UNPRIVILEGED = ("nobody", "nogroup")


def _as_unprivileged() -> list[str]:
    """What goes before a command; it becomes the command's own process, so that signals reach it."""
    if os.geteuid() != 0:
        return []
    user, group = _UNPRIVILEGED
    return ["setpriv", "--reuid", user, "--regid", group, "--clear-groups"]


def _hand_over(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, *_UNPRIVILEGED)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(
        [*_as_unprivileged(), *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")


def _wait_until_ready(process: "subprocess.Popen[bytes]", server: PostgreSQL, binaries: Path, log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    command = [str(binaries / "pg_isready"), "--host", "127.0.0.1", "--port", str(server.port)]
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended with {process.returncode}:\n{log.read_text(errors='replace')}")
        probe = subprocess.run(command, capture_output=True, text=True, check=False)
        if probe.returncode == 0:
            return
        if time.monotonic() > deadline:
            said = f"{probe.stdout}{probe.stderr}{log.read_text(errors='replace')}"
            raise RuntimeError(f"PostgreSQL is not ready after {READY_TIMEOUT_SECONDS:g} s:\n{said}")
        time.sleep(0.1)


def _stop(process: "subprocess.Popen[bytes]", log: Path) -> None:
    # SIGINT is PostgreSQL's fast shutdown: sessions are ended, not waited for.
    process.send_signal(2)
    try:
        returncode = process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"PostgreSQL did not stop:\n{log.read_text(errors='replace')}") from None
    if returncode:
        raise RuntimeError(f"PostgreSQL ended with {returncode}:\n{log.read_text(errors='replace')}")
