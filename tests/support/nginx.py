"""nginx with TLS in front of a bridge: deploy/nginx.conf with a throw-away authority. Needs root and nginx."""

import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bridge_process import ROOT, SERVICE_USER
from tests.support.ports import free_port
from tests.support.waiting import wait_until

CONF = ROOT / "deploy" / "nginx.conf"
STOP_SECONDS = 15.0

# The group is the service's, whose socket it is to open; DEPLOY.md does the same with usermod.
MAIN_CONF = """
user www-data {group};
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{ include {folder}/slurm-bridge.conf; }}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx; its certificate is for 127.0.0.1."""

    port: int
    ca_path: Path
    access_log_path: Path

    def tls_context(self) -> ssl.SSLContext:
        """Of a client that trusts the authority of the test and nobody else."""
        return ssl.create_default_context(cafile=str(self.ca_path))


@contextmanager
def running_nginx(folder: Path, socket_path: Path) -> Iterator[Nginx]:
    """nginx on a free port of loopback, in front of the bridge on `socket_path`; its files are in `folder`."""
    _make_certificates(folder)
    port = free_port()
    (folder / "slurm-bridge.conf").write_text(_adapted(CONF.read_text(), folder, socket_path, port))
    (folder / "nginx.conf").write_text(MAIN_CONF.format(group=SERVICE_USER, folder=folder))
    with (folder / "nginx.out").open("wb") as output:
        command = ["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_until(lambda: (folder / "nginx.pid").exists() or process.poll() is not None, "nginx starts")
        assert process.poll() is None, (folder / "nginx.out").read_text()
        yield Nginx(port, folder / "ca.pem", folder / "access.log")
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)


def _adapted(conf: str, folder: Path, socket_path: Path, port: int) -> str:
    """The file that is recommended, with the addresses and paths of the test; each of them has to be found in it."""
    for pattern, replacement in (
        (r"unix:\S+;", f"unix:{socket_path};"),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (r"listen \[::\]:443 ssl;", ""),
        (r"/etc/nginx/slurm-bridge\.(crt|key)", rf"{folder}/server.\1"),
        (r"access_log \S+", f"access_log {folder}/access.log"),
    ):
        conf, count = re.subn(pattern, replacement, conf)
        assert count, f"{CONF} has no {pattern}"
    return conf


def _make_certificates(folder: Path) -> None:
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-subj", "/CN=throw-away authority", "-keyout", "ca.key", "-out", "ca.pem", "-days", "1"]
    server = ["-subj", "/CN=127.0.0.1", "-keyout", "server.key", "-out", "server.crt", "-days", "1"]
    extensions = ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
    usage = ["-addext", "keyUsage=critical,keyCertSign"]
    subprocess.run([*new, *authority, *usage], cwd=folder, check=True, capture_output=True)
    subprocess.run(
        [*new, *server, *extensions, "-CA", "ca.pem", "-CAkey", "ca.key"], cwd=folder, check=True, capture_output=True
    )
