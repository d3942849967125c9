"""nginx with TLS in front of a bridge: deploy/nginx.conf with a throw-away authority. Needs root and nginx."""

import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bridge_process import ROOT
from tests.support.ports import free_port
from tests.support.waiting import wait_until

STOP_SECONDS = 15.0


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
    port = free_port()
    subprocess.run([ROOT / "container" / "tls", folder, "127.0.0.1", str(port), socket_path], check=True)
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
