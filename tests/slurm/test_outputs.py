"""The output of jobs, on a real Slurm: what a client of the running service gets of it, and what that costs."""

import http.client
import json
import os
import pwd
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from tests.support.bridge_process import SERVICE_USER, Bridge, running_bridge, service_environment
from tests.support.private_slurm import PrivateSlurm, PrivateSlurmError
from tests.support.samples import PARSE_BODY
from tests.support.waiting import wait_until

MIB = 2**20
GIB = 2**30

# As a talkative extractor: its arguments, a failed download, its MQTT password.
STAND_IN = """
import os, sys
from urllib.parse import quote
for stream in (sys.stdout, sys.stderr):
    print("begin", sys.argv, file=stream)
    print("Max retries exceeded with url: /file?signature=canary (Caused by", file=stream)
    print("another https://other:heron@host/x of which the launcher knows nothing", file=stream)
    print("MQTT", os.environ["MQTT_PASSWORD"], quote(os.environ["MQTT_PASSWORD"], safe=""), "end", file=stream)
"""
MQTT = {"MQTT_BROKER": "127.0.0.1:1", "MQTT_USER": "user", "MQTT_PASSWORD": "canary/&'1"}
BODY = {
    **PARSE_BODY,
    "target": "postgresql://user:canary@host/db",
    "source": "https://user:canary@host/file?signature=canary",
}


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """One that forgets jobs soon."""
    (shared_folder / "slurm").mkdir()
    with PrivateSlurm(shared_folder / "slurm", overrides={"MinJobAge": "10"}) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def bridge(slurm: PrivateSlurm, shared_folder: Path) -> Iterator[Bridge]:
    stand_in = shared_folder / "extractor.py"
    stand_in.write_text(STAND_IN)
    environment = service_environment(slurm, shared_folder, ["/usr/bin/python3", str(stand_in)], **MQTT)
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge
        assert "Traceback" not in bridge.log
        assert "canary" not in bridge.log


@pytest.fixture(scope="module")
def folder(bridge: Bridge, shared_folder: Path) -> Path:
    return shared_folder / "output"


@pytest.fixture(scope="module")
def big(folder: Path) -> str:
    """The address of an output of 1 GiB: blank but for its middle and its end."""
    path = folder / "parse-900.out"
    with owned(path).open("r+b") as file:
        for position in (GIB // 2, GIB - 3000):
            file.seek(position)
            file.write(b" https://user:pass@host/file ")
        file.truncate(GIB)
    return "/jobs/900/stdout"


def owned(path: Path) -> Path:
    """A new empty file that belongs to the service's user."""
    path.touch(mode=0o600)
    user = pwd.getpwnam(SERVICE_USER)
    os.chown(path, user.pw_uid, user.pw_gid)
    return path


def peak_mib(pid: int) -> float:
    """The most memory that the process has had since `forget_peak`."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert peak
    return int(peak[1]) / 1024


def forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def answer_of(bridge: Bridge, path: str, address: str = "127.0.0.1") -> Iterator[http.client.HTTPResponse]:
    """An answer to a client at `address` whose body is still to be read."""
    place = bridge.url.removeprefix("http://")
    with closing(http.client.HTTPConnection(place, timeout=60, source_address=(address, 0))) as connection:
        connection.request("GET", path)
        yield connection.getresponse()


def test_output_shows_what_happened_and_no_secret(bridge: Bridge, slurm: PrivateSlurm, folder: Path) -> None:
    job_id = bridge.post("/extractor/run", BODY).body["job_id"]
    bridge.wait_until_finished(job_id)
    for stream, suffix in (("stdout", "out"), ("stderr", "err")):
        written = (folder / f"parse-{job_id}.{suffix}").read_bytes()
        answer = bridge.get_bytes(f"/jobs/{job_id}/{stream}")
        assert b"canary" not in written
        assert b"heron" in written
        assert b"heron" not in answer.body
        assert len(answer.body) == len(written)
        shown = answer.body.decode()
        assert shown.startswith("begin ['")
        for words in (
            "postgresql://********@host/db",
            "https://***********@host/x",
            "url: /file?************* (Caused by",
            "end\n",
        ):
            assert words in shown
        middle = bridge.get_bytes(f"/jobs/{job_id}/{stream}", {"Range": "bytes=100-199"})
        assert (middle.status, middle.body) == (206, answer.body[100:200])
        assert middle.headers["Content-Range"] == f"bytes 100-199/{len(written)}"
        assert bridge.get_bytes(f"/jobs/{job_id}/{stream}?tail=50").body == answer.body[-50:]
    wait_until(lambda: is_forgotten(slurm, job_id), "the controller forgets the job", seconds=90)
    wait_until(lambda: bridge.get(f"/jobs/{job_id}").body["source"] == "memory", "the bridge remembers it")
    assert bridge.get_bytes(f"/jobs/{job_id}/stderr").body == answer.body


def is_forgotten(slurm: PrivateSlurm, job_id: str) -> bool:
    try:
        slurm.run("scontrol", "show", "job", job_id)
    except PrivateSlurmError:
        return True
    return False


def test_what_is_no_output_is_not_found_at_once(bridge: Bridge, folder: Path) -> None:
    (folder / "parse-901.out").symlink_to("/etc/shadow")
    (folder / "parse-902.out").symlink_to(owned(folder / "other"))
    (folder / "parse-903.out").hardlink_to(folder / "other")
    os.mkfifo(folder / "parse-904.out")
    (folder / "parse-905.out").write_text("root's")
    started_at = time.monotonic()
    for number in range(901, 907):
        answer = bridge.get(f"/jobs/{number}/stdout")
        assert (answer.status, answer.body["type"]) == (404, "urn:tsm-slurm-bridge:not-found"), number
    assert time.monotonic() - started_at < 2


def test_a_part_of_a_large_output_is_quick(bridge: Bridge, big: str) -> None:
    def milliseconds(path: str, headers: dict[str, str], body: bytes) -> float:
        started_at = time.perf_counter()
        answer = bridge.get_bytes(path, headers)
        taken = (time.perf_counter() - started_at) * 1000
        assert answer.body == body
        return taken

    secret = b" https://*********@host/file "
    tail = [
        milliseconds(f"{big}?tail=4096", {}, b"\0" * 1096 + secret + b"\0" * (3000 - len(secret))) for _ in range(9)
    ]
    at = GIB // 2
    middle = [milliseconds(big, {"Range": f"bytes={at + 5}-{at + 20}"}, secret[5:21]) for _ in range(9)]
    print(f"median of 9: tail {sorted(tail)[4]:.1f} ms, range {sorted(middle)[4]:.1f} ms")
    assert sorted(tail)[4] < 100
    assert sorted(middle)[4] < 100


def test_a_whole_large_output_takes_no_memory(bridge: Bridge, big: str) -> None:
    bridge.get_bytes(f"{big}?tail={4 * MIB}")
    pid = bridge.process.pid
    forget_peak(pid)
    before = peak_mib(pid)
    started_at = time.perf_counter()
    with answer_of(bridge, big) as answer:
        assert answer.headers["Content-Length"] == str(GIB)
        received = 0
        while chunk := answer.read(MIB):
            assert b"pass" not in chunk
            received += len(chunk)
            if received == 16 * MIB:
                time.sleep(1)  # a client that stops to read fills no memory either
    seconds = time.perf_counter() - started_at - 1
    assert received == GIB
    print(
        f"1 GiB in {seconds:.1f} s, {1024 / seconds:.0f} MiB/s, RSS {before:.1f} MiB, at most {peak_mib(pid):.1f} MiB"
    )
    assert peak_mib(pid) - before < 8


def test_an_output_that_is_cut_while_it_is_read_ends_early(bridge: Bridge, folder: Path) -> None:
    path = owned(folder / "parse-910.out")
    os.truncate(path, 64 * MIB)
    with answer_of(bridge, "/jobs/910/stdout") as answer:
        os.truncate(path, 1000)
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    wait_until(lambda: "too few bytes" in bridge.log, "the log tells of it")


def test_slow_readers_leave_threads_for_others(bridge: Bridge, big: str) -> None:
    """A quarter of 96 threads may read outputs, half of these for one client."""
    with ExitStack() as readers:
        for address in ("127.0.0.1", "127.0.0.2"):
            assert {readers.enter_context(answer_of(bridge, big, address)).status for _ in range(12)} == {200}
            with answer_of(bridge, big, address) as refused:
                assert (refused.status, json.load(refused)["type"]) == (503, "urn:tsm-slurm-bridge:overloaded")
        with answer_of(bridge, big, "127.0.0.3") as refused:
            assert refused.status == 503
        assert bridge.get("/health").status == 200
        assert bridge.post("/extractor/run", BODY).status == 202
    wait_until(lambda: is_served(bridge, f"{big}?tail=1"), "those who went away make room", seconds=10)


def is_served(bridge: Bridge, path: str) -> bool:
    with answer_of(bridge, path) as answer:
        return answer.status == 200
