"""A real Slurm with a backup controller, which takes over where the primary is gone."""

import signal
from pathlib import Path

from tests.support.private_slurm import PrivateSlurm

HOSTS = {"slurmctld": "ctl1", "backup": "ctl2"}  # each has a host's name of its own on this one machine
TAKEOVER_SECONDS = 5  # after the primary was last heard of


class TwoControllers(PrivateSlurm):
    """See `PrivateSlurm`; the backup runs too."""

    def __init__(self, folder: Path) -> None:
        controllers = "ctl1(127.0.0.1)\nSlurmctldHost=ctl2(127.0.0.2)"
        super().__init__(folder, overrides={"SlurmctldHost": controllers, "SlurmctldTimeout": str(TAKEOVER_SECONDS)})

    def start(self) -> None:
        """See `PrivateSlurm`."""
        (self.folder / "hosts").write_text("127.0.0.1 localhost ctl1\n127.0.0.2 ctl2\n")
        super().start()
        self._launch("backup", "slurmctld", "-D")
        self._wait(lambda: None if self.run("scontrol", "ping").count("is UP") == 2 else "no answer", "no backup")

    def pause_backup(self) -> None:
        """SIGSTOP: the backup accepts connections and answers nothing."""
        self._daemons["backup"].send_signal(signal.SIGSTOP)

    def resume_backup(self) -> None:
        """SIGCONT."""
        self._daemons["backup"].send_signal(signal.SIGCONT)

    def _entry(self, name: str) -> str:
        if name not in HOSTS:
            return super()._entry(name)
        named = f"echo {HOSTS[name]} >/proc/sys/kernel/hostname && mount --bind {self.folder}/hosts /etc/hosts &&"
        return f"{named} {super()._entry(name)}"
