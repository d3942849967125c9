"""Accounting for a private Slurm: slurmdbd and a MariaDB of its own, with limits that are enforced."""

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.support import slurm_installation
from tests.support.ports import free_ports

CLUSTER, ACCOUNT, USER = "tsm", "science", "sontsm"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


@contextmanager
def running_accounting(folder: Path) -> Iterator[dict[str, str]]:
    """Accounting in `folder`, which is to be the private Slurm's too; gives the parameters of slurm.conf that use it.

    `USER` may charge `ACCOUNT`, and no other; QOS are `normal` only. `sacctmgr` changes that.
    Raises `RuntimeError` where a daemon does not start.
    """
    slurm_installation.needs_plugin("accounting_storage_mysql")
    run = folder / "slurmdbd.run"  # slurmdbd's own /run, where it looks for MariaDB and serves its credentials
    for name in ("mysqld", "slurmdbd"):
        (run / name).mkdir(parents=True)
    (port,) = free_ports(1)
    parameters = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(port),
        "AccountingStorageEnforce": "associations,limits,qos",
        "AccountingStoreFlags": "job_comment",
    }
    _write_files(folder, port, parameters)
    environment = {
        "PATH": os.environ["PATH"],
        "SLURM_CONF": str(folder / "slurm.conf"),
        "SLURM_SACK_SOCKET": str(run / "slurmdbd" / "sack.socket"),
    }
    socket = run / "mysqld" / "mysqld.sock"
    with _running(_database(folder, socket), environment, folder / "mariadb.log"):
        # slurmdbd 26.05 would make it itself, and then stumble over MariaDB Connector 3.4.10: connecting again with a
        # handle that a failed try has left, it may read no columns.
        create = ["mariadb", "--no-defaults", f"--socket={socket}", "--execute=CREATE DATABASE slurm_acct_db"]
        _wait(partial(_succeeds, create, environment), folder / "mariadb.log")
        own_run = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /run && exec "$@"', str(run)]
        with _running([*own_run, "slurmdbd", "-D"], environment, folder / "slurmdbd.log"):
            for words in (f"cluster {CLUSTER}", f"account {ACCOUNT}", f"user {USER} account={ACCOUNT}"):
                command = ["sacctmgr", "--immediate", "add", *words.split()]
                _wait(partial(_succeeds, command, environment), folder / "slurmdbd.log")
            yield parameters


def _write_files(folder: Path, port: int, parameters: dict[str, str]) -> None:
    key = folder / "slurm.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    slurmdbd_conf = folder / "slurmdbd.conf"
    slurmdbd_conf.touch(mode=0o600)  # slurmdbd insists on it
    slurmdbd_conf.write_text(
        f"AuthType=auth/slurm\nDbdHost=localhost\nDbdAddr=127.0.0.1\nDbdPort={port}\nSlurmUser=root\n"
        f"PidFile={folder}/slurmdbd.pid\nStorageType=accounting_storage/mysql\nStorageUser=root\n"
    )
    # For sacctmgr, until the private Slurm writes its own.
    lines = {"ClusterName": CLUSTER, "SlurmctldHost": "localhost", "AuthType": "auth/slurm", **parameters}
    (folder / "slurm.conf").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))


def _database(folder: Path, socket: Path) -> list[str]:
    """Make an empty MariaDB; returns the command that runs it."""
    common = ["--no-defaults", f"--datadir={folder / 'mariadb'}", "--user=root"]
    made = subprocess.run(
        ["mariadb-install-db", *common, "--skip-test-db", "--auth-root-authentication-method=normal"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db: {made.stdout}{made.stderr}")
    # slurmdbd reads what it has changed in another transaction, hence no snapshot isolation.
    options = ["--skip-networking", "--innodb-snapshot-isolation=OFF", "--innodb-flush-log-at-trx-commit=0"]
    return ["mariadbd", *common, f"--socket={socket}", *options]


@contextmanager
def _running(argv: list[str], environment: dict[str, str], log_path: Path) -> Iterator[None]:
    with log_path.open("wb") as log:
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()


def _succeeds(command: list[str], environment: dict[str, str]) -> bool:
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


def _wait(condition: Callable[[], bool], log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {START_SECONDS:g} s:\n{log_path.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)
