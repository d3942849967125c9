"""A real Slurm for tests: slurmctld and slurmds of their own, from the top-level slurm.conf.

Needs root and the box (container/test). Several may run at once: each has its own folder, ports, keys and socket.
"""

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import slurm_installation
from tests.support.ports import free_ports

SLURM_CONF = Path(__file__).resolve().parents[2] / "slurm.conf"
DEFAULT_PARTITIONS = ("PartitionName=normal Default=YES Nodes=ALL State=UP MaxTime=INFINITE",)

NODE_MEMORY_MIB = 4096

READY_SECONDS = 15.0
STOP_SECONDS = 45.0  # a controller that is launching jobs waits for its nodes' answers before it ends
COMMAND_SECONDS = 30.0
POLL_SECONDS = 0.02


class PrivateSlurmError(Exception):
    """A daemon or a command of the private Slurm failed; the message has what it said."""


class PrivateSlurm:
    """One slurmctld and `nodes` slurmds (`n1`, `n2`, ...; 4 GiB each, not enforced), running while entered.

    Args:
        folder: an existing folder for all of its files. The users that are to submit must be able to enter it.
        nodes: number of slurmds.
        overrides: parameters of slurm.conf to set otherwise, or to add: `{"MessageTimeout": "2"}`; an empty one is left
            out.
        partitions: the lines that define partitions.
        cpus: CPUs of each node, which need not have so many: as many jobs run at a time.
    """

    _controllers: tuple[str, ...] = ("slurmctld",)

    def __init__(
        self,
        folder: Path,
        nodes: int = 1,
        overrides: Mapping[str, str] | None = None,
        partitions: Sequence[str] = DEFAULT_PARTITIONS,
        cpus: int = 4,
    ) -> None:
        self.folder = folder
        self.conf_path = folder / "slurm.conf"
        self._nodes = nodes
        self._cpus = cpus
        self._overrides = dict(overrides or {})
        self._partitions = tuple(partitions)
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find this Slurm; to be put into their environment."""
        return {"SLURM_CONF": str(self.conf_path), "SLURM_SACK_SOCKET": str(self.folder / "sack.socket")}

    @property
    def daemon_pids(self) -> list[int]:
        """Process ids of slurmctld and the slurmds."""
        return [daemon.pid for daemon in self._daemons.values()]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start all daemons and wait until every node is idle.

        Raises:
            PrivateSlurmError: a daemon ended, or the nodes were not idle in time; with its last log lines.
        """
        slurm_installation.needs_plugin("auth_slurm", "auth_jwt")
        _require_enterable(self.folder)
        self._write_files()
        try:
            self.start_controller()
            for number in range(1, self._nodes + 1):
                self.start_node(number)
            self._wait(self._nodes_are_idle, "nodes are not idle")
        except BaseException:
            self._kill_all()
            raise

    def stop(self) -> None:
        """End all daemons, and the jobs that still run.

        Raises:
            PrivateSlurmError: a daemon had ended by itself, or would not end; with its last log lines.
        """
        complaints = [
            f"{name} had ended by itself with {daemon.returncode}:\n{self._log_tail(name)}"
            for name, daemon in self._daemons.items()
            if daemon.poll() is not None
        ]
        # slurmctld first, as long as its nodes still answer it.
        for name, daemon in sorted(self._daemons.items(), key=lambda item: item[0] != "slurmctld"):
            daemon.send_signal(signal.SIGCONT)
            daemon.terminate()
            try:
                daemon.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                complaints.append(f"{name} did not end within {STOP_SECONDS:g} s:\n{self._log_tail(name)}")
        self._kill_all()
        if complaints:
            raise PrivateSlurmError("\n".join(complaints))

    def start_controller(self) -> None:
        """Start slurmctld (again) and wait until it answers."""
        self._start_daemon("slurmctld", "slurmctld", "-D")
        self._wait(self._controller_answers, "slurmctld does not answer")

    def pause_controller(self) -> None:
        """SIGSTOP: slurmctld still accepts connections and answers nothing."""
        self._pause("slurmctld")

    def resume_controller(self) -> None:
        """SIGCONT, after `pause_controller`."""
        self._daemons["slurmctld"].send_signal(signal.SIGCONT)

    def kill_controller(self) -> None:
        """SIGKILL; `start_controller` brings it back with the state it had saved."""
        daemon = self._daemons.pop("slurmctld")
        daemon.kill()
        daemon.wait()

    def restart_controller(self) -> None:
        """End slurmctld in order, so that it saves its queue, and start it again."""
        daemon = self._daemons.pop("slurmctld")
        daemon.terminate()
        daemon.wait(STOP_SECONDS)
        self.start_controller()

    def start_node(self, number: int) -> None:
        """Start the slurmd of node n`number`."""
        self._start_daemon(f"n{number}", "slurmd", "-D", "-N", f"n{number}")

    def stop_node(self, number: int) -> None:
        """End the slurmd of node n`number`; its jobs go on, as they do on a cluster."""
        daemon = self._daemons.pop(f"n{number}")
        daemon.terminate()
        daemon.wait(STOP_SECONDS)
        self._link_credential_socket()

    def lose_node(self, number: int) -> None:
        """Kill the slurmd of node n`number` and its jobs, as a machine that loses its power; `start_node` mends it."""
        daemon = self._daemons.pop(f"n{number}")
        daemon.kill()
        daemon.wait()
        self._link_credential_socket()
        for pid in self._pids_on(f"n{number}"):
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)

    def run(self, *argv: str, user: str = "root") -> str:
        """Standard output of a command (`squeue`, `scontrol`, ...) run as `user`.

        Raises:
            PrivateSlurmError: it failed, or took longer than 30 s.
        """
        try:
            done = subprocess.run(
                argv,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **self.environment},
                cwd="/",
                user=user,
                group=user,
                extra_groups=[],
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=True,
            )
        except subprocess.CalledProcessError as error:
            raise PrivateSlurmError(f"{' '.join(argv)}: exit {error.returncode}: {error.stderr.strip()}") from None
        except subprocess.TimeoutExpired:
            raise PrivateSlurmError(f"{' '.join(argv)}: no answer within {COMMAND_SECONDS:g} s") from None
        return done.stdout

    def rpc_count(self) -> int:
        """How many requests of any kind the controller has handled since `sdiag --reset`."""
        by_type, _, _ = self.run("sdiag", "--all").partition("Remote Procedure Call statistics by user")
        return sum(map(int, re.findall(r"count:(\d+)", by_type)))

    def _pause(self, name: str) -> None:
        """SIGSTOP, and wait until it has stopped: on a busy machine it may go on for a moment."""
        daemon = self._daemons[name]
        daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def _write_files(self) -> None:
        for name in ("state", *(f"n{number}" for number in range(1, self._nodes + 1))):
            (self.folder / name).mkdir(exist_ok=True)
        for name in ("slurm.key", "jwt.key"):
            key = self.folder / name
            if not key.exists():
                key.touch(mode=0o600)
                key.write_bytes(secrets.token_bytes(1024))
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        controller_port, *node_ports = free_ports(1 + self._nodes)
        (self.folder / "nodes.conf").write_text(
            "".join(
                f"NodeName=n{number} NodeAddr=127.0.0.1 Port={port} CPUs={self._cpus} RealMemory={NODE_MEMORY_MIB}\n"
                for number, port in enumerate(node_ports, start=1)
            )
        )
        parameters = {
            "SlurmctldPort": str(controller_port),
            "AuthAltParameters": f"jwt_key={self.folder}/jwt.key",
            "StateSaveLocation": f"{self.folder}/state",
            "SlurmdSpoolDir": f"{self.folder}/%n",
            "SlurmctldPidFile": "/run/slurmctld.pid",
            "SlurmdPidFile": f"{self.folder}/%n.pid",
            **self._overrides,
        }
        self.conf_path.write_text(_changed(SLURM_CONF.read_text(), parameters, self._partitions))

    def _start_daemon(self, name: str, *argv: str) -> None:
        self._launch(name, *argv)
        self._wait(lambda: None if self._socket_of(name).exists() else "no socket", f"{name} does not start")
        self._link_credential_socket()

    def _launch(self, name: str, *argv: str) -> None:
        # auth/slurm hands out credentials on a socket in /run, whose path is fixed for slurmctld and slurmd: two
        # Slurms would take it from each other. So each daemon has a /run of its own.
        run = self.folder / f"{name}.run"
        run.mkdir(exist_ok=True)
        self._socket_of(name).unlink(missing_ok=True)
        with (self.folder / f"{name}.log").open("ab") as log:
            self._daemons[name] = subprocess.Popen(
                ["unshare", "--mount", "--uts", "sh", "-c", f'{self._entry(name)} exec "$@"', run, *argv],
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SLURM_CONF": str(self.conf_path)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _entry(self, _name: str) -> str:
        """What a shell does in a daemon's own namespaces, with its /run as `$0`, before the daemon starts."""
        return 'mount --bind "$0" /run &&'

    def _link_credential_socket(self) -> None:
        """Let the clients' socket be the one of a daemon that runs: a node's, as on a cluster, or else slurmctld's."""
        if self._daemons:
            link = self.folder / "new.socket"
            link.symlink_to(self._socket_of(min(self._daemons, key=lambda name: (name in self._controllers, name))))
            link.rename(self.folder / "sack.socket")

    def _socket_of(self, name: str) -> Path:
        return self.folder / f"{name}.run" / ("slurmctld" if name in self._controllers else "slurm") / "sack.socket"

    def _controller_answers(self) -> str | None:
        try:
            self.run("scontrol", "ping")
        except PrivateSlurmError as error:
            return str(error)
        return None

    def _nodes_are_idle(self) -> str | None:
        states = self.run("sinfo", "--noheader", "--Node", "--Format=NodeList:10,StateLong:20")
        ready = {line.split()[0] for line in states.splitlines() if line.split()[1] == "idle"}
        return None if len(ready) == self._nodes else f"sinfo: {' '.join(states.split())}"

    def _wait(self, problem: Callable[[], str | None], what: str) -> None:
        """Wait until `problem()` is None; it says what is still wrong."""
        deadline = time.monotonic() + READY_SECONDS
        while (last := problem()) is not None:
            for name, daemon in self._daemons.items():
                if daemon.poll() is not None:
                    raise PrivateSlurmError(f"{name} ended with {daemon.returncode}:\n{self._log_tail(name)}")
            if time.monotonic() > deadline:
                logs = "\n".join(f"{name}:\n{self._log_tail(name)}" for name in self._daemons)
                raise PrivateSlurmError(f"{what} after {READY_SECONDS:g} s, last: {last}\n{logs}")
            time.sleep(POLL_SECONDS)

    def _kill_all(self) -> None:
        for daemon in self._daemons.values():
            daemon.kill()
            daemon.wait()
        self._daemons.clear()
        for pid in self._job_pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _job_pids(self) -> list[int]:
        """What the slurmds have started: their slurmstepds, and the jobs' processes."""
        ours = f"SLURM_CONF={self.conf_path}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                variables = (process / "environ").read_bytes().split(b"\0")
                name = (process / "comm").read_text().strip()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended meanwhile
            in_job = any(variable.startswith(b"SLURM_JOB_ID=") for variable in variables)
            if ours in variables and (in_job or name == "slurmstepd"):
                found.append(int(process.name))
        return found

    def _pids_on(self, node: str) -> list[int]:
        """What the slurmd of this node has started: slurmstepds first, or they would tell of their jobs' ends."""
        jobs, steps = [], set()
        for pid in self._job_pids():
            with suppress(FileNotFoundError, ProcessLookupError):
                variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if f"SLURMD_NODENAME={node}".encode() in variables:
                    jobs.append(pid)
                    steps.add(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]))  # its parent
        return [*(steps - set(jobs)), *jobs]

    def _log_tail(self, name: str, lines: int = 15) -> str:
        log = (self.folder / f"{name}.log").read_text(errors="replace")
        return "\n".join(f"  {line}" for line in log.splitlines()[-lines:])


def _changed(conf: str, parameters: Mapping[str, str], partitions: Sequence[str]) -> str:
    """`conf` with these parameters, each once or where it is empty not at all, and these partitions for its own."""
    replaced = "|".join([*map(re.escape, parameters), "PartitionName"])
    kept = [line for line in conf.splitlines() if not re.match(rf"\s*({replaced})\s*=", line, re.IGNORECASE)]
    # Partitions come last: they name nodes, which are included above.
    return "\n".join([*kept, *(f"{name}={value}" for name, value in parameters.items() if value), *partitions, ""])


def _require_enterable(folder: Path) -> None:
    for place in (folder.resolve(), *folder.resolve().parents):
        if not place.stat().st_mode & 0o001:
            raise PrivateSlurmError(f"{place} is closed to other users: ordinary users could not read slurm.conf in it")
