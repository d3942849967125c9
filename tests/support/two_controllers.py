"""A real Slurm with a backup controller, which takes over where the primary is gone."""

import secrets
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.support.private_slurm import STOP_SECONDS, PrivateSlurm

HOSTS = {"slurmctld": "ctl1", "backup": "ctl2"}  # each has a host's name of its own on this one machine
TAKEOVER_SECONDS = 5


class TwoControllers(PrivateSlurm):
    """See `PrivateSlurm`. The backup takes over `takeover_seconds` after the primary was last heard of."""

    _controllers = tuple(HOSTS)

    def __init__(
        self,
        folder: Path,
        overrides: Mapping[str, str] | None = None,
        *,
        takeover_seconds: int = TAKEOVER_SECONDS,
        cpus: int = 4,
    ) -> None:
        controllers = "ctl1(127.0.0.1)\nSlurmctldHost=ctl2(127.0.0.2)"
        own = {"SlurmctldHost": controllers, "SlurmctldTimeout": str(takeover_seconds)}
        super().__init__(folder, overrides={**own, **(overrides or {})}, cpus=cpus)

    def start(self) -> None:
        """See `PrivateSlurm`."""
        (self.folder / "hosts").write_text("127.0.0.1 localhost ctl1\n127.0.0.2 ctl2\n")
        super().start()
        self._start_backup()

    def restart_controllers(self) -> None:
        """Start both again, in order, with the key and the slurm.conf that there are by now."""
        self.restart_controller()
        backup = self._daemons.pop("backup")
        backup.terminate()
        backup.wait(STOP_SECONDS)
        self._start_backup()

    def replace_jwt_key(self) -> None:
        """Write another key, and let both controllers use it."""
        (self.folder / "jwt.key").write_bytes(secrets.token_bytes(1024))
        self.restart_controllers()

    def take_over(self) -> None:
        """SIGKILL for the primary, and an order to its backup, which is obeyed in some seconds."""
        self.kill_controller()
        self.run("scontrol", "takeover")
        log = self.folder / "backup.log"  # a client that asks meanwhile would wait for half of SlurmctldTimeout
        self._wait(
            lambda: None if "Running as primary controller" in log.read_text() else "it stands by", "no takeover"
        )

    def pause_backup(self) -> None:
        """SIGSTOP: the backup accepts connections and answers nothing."""
        self._pause("backup")

    def resume_backup(self) -> None:
        """SIGCONT."""
        self._daemons["backup"].send_signal(signal.SIGCONT)

    def _start_backup(self) -> None:
        self._launch("backup", "slurmctld", "-D")
        self._wait(lambda: None if self.run("scontrol", "ping").count("is UP") == 2 else "no answer", "no backup")

    def _entry(self, name: str) -> str:
        if name not in HOSTS:
            return super()._entry(name)
        named = f"echo {HOSTS[name]} >/proc/sys/kernel/hostname && mount --bind {self.folder}/hosts /etc/hosts &&"
        return f"{named} {super()._entry(name)}"
