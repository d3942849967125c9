"""`/jobs/{id}/stdout` and `/stderr` as a client meets them: which files are served, and which part of them."""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import RangeNotSatisfiableError
from bridge.http.documents.byte_range import requested_part
from bridge.jobs.output.masking import BLOCK_BYTES
from bridge.slurm.job_ids import is_job_id
from tests.support.application import running_application
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import descriptor, settings

TEXT = b"0123456789"
READERS_MAX = 2  # of 12 threads


@pytest.fixture
def client(tmp_path: Path) -> Iterator[falcon.testing.TestClient]:
    with client_of(tmp_path) as client:
        yield client


def client_of(output_folder: Path) -> AbstractContextManager[falcon.testing.TestClient]:
    """Slurm is dead here, and never missed."""
    gateway = MemoryGateway()
    gateway.is_dead = True
    chosen = settings(output_folder=output_folder, mqtt_password="s3cret", threads=12)
    return running_application(gateway, chosen)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def assert_problem(result: falcon.testing.Result, status: int, problem_type: str) -> None:
    assert result.headers["content-type"] == "application/problem+json"
    assert (result.status_code, result.json["type"]) == (status, f"urn:tsm-slurm-bridge:{problem_type}")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("parse-17.out", "/jobs/17/stdout", id="stdout"),
        pytest.param("parse-17.err", "/jobs/17/stderr", id="stderr"),
        pytest.param("qaqc-17.out", "/jobs/17/stdout", id="qaqc"),
        pytest.param("parse-20_3.out", "/jobs/20_3/stdout", id="array-element"),
    ],
)
def test_a_jobs_output(client: falcon.testing.TestClient, tmp_path: Path, name: str, path: str) -> None:
    (tmp_path / name).write_bytes(TEXT)
    result = client.simulate_get(path)
    assert (result.status_code, result.content) == (200, TEXT)
    expected = {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "10",
        "accept-ranges": "bytes",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
    }
    assert expected.items() <= result.headers.items()
    assert "content-range" not in result.headers


def test_a_file_of_an_earlier_job_with_the_same_id_is_not_the_jobs_own(tmp_path: Path) -> None:
    gateway = MemoryGateway()
    job_id = gateway.submit(descriptor(tmp_path), Deadline.after(20))
    output = tmp_path / f"parse-{job_id}.out"
    output.write_bytes(TEXT)
    os.utime(output, (time.time() - 60, time.time() - 60))
    with running_application(gateway, settings(output_folder=tmp_path)) as client:
        assert client.simulate_get(f"/jobs/{job_id}").status_code == 200
        assert_problem(client.simulate_get(f"/jobs/{job_id}/stdout"), 404, "not-found")
        output.write_bytes(TEXT)
        assert client.simulate_get(f"/jobs/{job_id}/stdout").content == TEXT


def test_an_empty_output(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    (tmp_path / "parse-17.out").touch()
    result = client.simulate_get("/jobs/17/stdout")
    assert (result.status_code, result.content, result.headers["content-length"]) == (200, b"", "0")


def test_credentials_are_hidden(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    (tmp_path / "parse-17.err").write_text("https://u:p@h/f?sig=1 and s3cret\n")
    assert client.simulate_get("/jobs/17/stderr").text == "https://***@h/f?***** and ******\n"
    (tmp_path / "parse-17.err").write_text("to https://user:pa")  # a job that is in the middle of it
    assert client.simulate_get("/jobs/17/stderr?tail=4").text == "****"


def test_of_two_jobs_with_one_id_the_newer_counts(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    before = open_descriptors()
    for name, modified_at in (("parse-17.out", 2_000), ("qaqc-17.out", 1_000)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (modified_at, modified_at))
    assert client.simulate_get("/jobs/17/stdout").text == "parse-17.out"
    os.utime(tmp_path / "qaqc-17.out", (3_000, 3_000))
    assert client.simulate_get("/jobs/17/stdout").text == "qaqc-17.out"
    assert open_descriptors() == before


def make_symlink(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_symlink_within(path: Path) -> None:
    path.with_name("other").write_bytes(TEXT)
    path.symlink_to("other")


def make_hard_link(path: Path) -> None:
    path.with_name("secret").write_bytes(TEXT)
    path.hardlink_to(path.with_name("secret"))


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def make_nothing(_path: Path) -> None:
    pass


@pytest.mark.parametrize(
    "make",
    [make_nothing, make_symlink, make_symlink_within, make_hard_link, os.mkfifo, make_socket, Path.mkdir],
    ids=["nothing", "symlink", "symlink-within", "hard-link", "fifo", "socket", "folder"],
)
def test_only_files_that_slurmd_makes_are_served(client: falcon.testing.TestClient, tmp_path: Path, make: Any) -> None:
    before = open_descriptors()
    make(tmp_path / "parse-17.out")
    result = client.simulate_get("/jobs/17/stdout")
    assert_problem(result, 404, "not-found")
    assert "not started yet" in result.json["detail"]
    assert open_descriptors() == before


def test_files_of_others_are_not_served(
    client: falcon.testing.TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert_problem(client.simulate_get("/jobs/17/stdout"), 404, "not-found")


@pytest.mark.parametrize("job_id", ["..", "%2e%2e", "..%2fparse-17", "17%2f", "17%00", "017", "17_", "x", "4294967294"])
def test_what_is_no_job_id_is_not_found(client: falcon.testing.TestClient, tmp_path: Path, job_id: str) -> None:
    for name in ("parse-17.out", "parse-x.out", "parse-017.out", "parse-17_.out", "parse-4294967294.out"):
        (tmp_path / name).write_bytes(TEXT)
    assert_problem(client.simulate_get(f"/jobs/{job_id}/stdout"), 404, "not-found")


def test_job_ids() -> None:
    assert all(map(is_job_id, ["1", "4294967293", "20_0", "20_4000000"]))
    assert not any(map(is_job_id, ["", "0", "4294967294", "20_", "20_03", "20_-1", "_3", "1\n", "1_2\n", "\u0661"]))


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_folder_that_this_machine_does_not_see(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with client_of(tmp_path / name) as client:
        result = client.simulate_get("/jobs/17/stdout")
    assert_problem(result, 404, "not-found")
    assert "output_folder" in result.json["detail"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("bytes=0-0", "0", id="first"),
        pytest.param("bytes=2-4", "234", id="middle"),
        pytest.param("bytes=7-", "789", id="from"),
        pytest.param("bytes=7-99", "789", id="beyond-the-end"),
        pytest.param("bytes=-3", "789", id="last"),
        pytest.param("bytes=-99", "0123456789", id="more-than-there-is"),
        pytest.param("Bytes=0-0", "0", id="unit-in-another-case"),
    ],
)
def test_a_range(client: falcon.testing.TestClient, tmp_path: Path, header: str, expected: str) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    result = client.simulate_get("/jobs/17/stdout", headers={"Range": header})
    assert (result.status_code, result.text) == (206, expected)
    first = TEXT.index(expected.encode())
    assert result.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/10"
    assert result.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Range": "bytes=0-1,3-4"}, id="several"),
        pytest.param({"Range": "lines=0-1"}, id="another-unit"),
        pytest.param({"Range": "bytes=4-2"}, id="backwards"),
        pytest.param({"Range": "bytes=-"}, id="no-numbers"),
        pytest.param({"Range": "bytes=-0"}, id="the-last-no-bytes"),
        pytest.param({"Range": "bytes=a-b"}, id="letters"),
        pytest.param({"Range": "bytes=" + "9" * 5000 + "-"}, id="endless-number"),
        pytest.param({"Range": "bytes=0-1", "If-Range": '"x"'}, id="of-a-version-that-is-not-ours"),
    ],
)
def test_a_range_that_is_ignored(client: falcon.testing.TestClient, tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    result = client.simulate_get("/jobs/17/stdout", headers=headers)
    assert (result.status_code, result.content) == (200, TEXT)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12"])
def test_a_range_of_nothing(client: falcon.testing.TestClient, tmp_path: Path, header: str) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    result = client.simulate_get("/jobs/17/stdout", headers={"Range": header})
    assert_problem(result, 416, "range-not-satisfiable")
    assert result.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-5", "bytes=-5"])
def test_an_empty_file_has_no_ranges(header: str) -> None:
    request = falcon.testing.create_req(headers={"Range": header})
    with pytest.raises(RangeNotSatisfiableError):
        requested_part(request, 0)


@pytest.mark.parametrize(("tail", "expected"), [("1", "9"), ("4", "6789"), ("10", "0123456789"), ("999", "0123456789")])
def test_a_tail(client: falcon.testing.TestClient, tmp_path: Path, tail: str, expected: str) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    result = client.simulate_get(f"/jobs/17/stdout?tail={tail}", headers={"Range": "bytes=0-0"})
    assert (result.status_code, result.text) == (200, expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("tail=", "tail"),
        ("tail=0", "tail"),
        ("tail=-5", "tail"),
        ("tail=1e3", "tail"),
        ("tail=" + "9" * 5000, "tail"),
        ("tail=1&tail=2", "tail"),
        ("tail=5&lines=3", "lines"),
    ],
)
def test_a_bad_query(client: falcon.testing.TestClient, tmp_path: Path, query: str, field: str) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    result = client.simulate_get(f"/jobs/17/stdout?{query}")
    assert_problem(result, 422, "invalid-request")
    assert [error["field"] for error in result.json["errors"]] == [field]


@pytest.mark.parametrize(("query", "length"), [("", "10"), ("?tail=4", "4")])
def test_head(client: falcon.testing.TestClient, tmp_path: Path, query: str, length: str) -> None:
    (tmp_path / "parse-17.out").write_bytes(TEXT)
    before = open_descriptors()
    for _ in range(READERS_MAX + 1):  # each is over when it is answered
        result = client.simulate_head(f"/jobs/17/stdout{query}", headers={"Range": "bytes=0-0"})
        assert (result.status_code, result.content, result.headers["content-length"]) == (200, b"", length)
    assert open_descriptors() == before


def begin(client: falcon.testing.TestClient, address: str = "127.0.0.1") -> Any:
    """The body of an answer that has been begun, as a WSGI server has it: to be read on, and closed."""
    environ = falcon.testing.create_environ("/jobs/17/stdout", remote_addr=address)
    return client.app(environ, falcon.testing.StartResponseMock())


def test_what_is_written_meanwhile_is_left_for_the_next(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    file = tmp_path / "parse-17.out"
    file.write_bytes(b"a" * 2 * BLOCK_BYTES)
    with contextlib.closing(begin(client)) as body:
        first = next(iter(body))
        with file.open("ab") as output:
            output.write(b"more")
        assert len(first) + sum(map(len, body)) == 2 * BLOCK_BYTES
    assert client.simulate_get("/jobs/17/stdout?tail=4").text == "more"


def test_an_output_that_is_cut_meanwhile_ends_early(
    client: falcon.testing.TestClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "parse-17.out"
    file.write_bytes(b"a" * 3 * BLOCK_BYTES)
    with contextlib.closing(begin(client)) as body:
        first = next(iter(body))
        os.truncate(file, BLOCK_BYTES + 5)
        assert len(first) + sum(map(len, body)) == BLOCK_BYTES + 5
    assert "Traceback" not in caplog.text


def test_a_disk_that_fails_ends_it_early(
    client: falcon.testing.TestClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_arguments: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    (tmp_path / "parse-17.out").write_bytes(TEXT)
    monkeypatch.setattr(os, "pread", fail)
    with contextlib.closing(begin(client)) as body:
        assert b"".join(body) == b""
    assert [
        (record.levelname, record.message) for record in caplog.records if record.name == "bridge.jobs.output.files"
    ] == [("WARNING", "output cannot be read")]


def test_readers_are_bounded_and_leave_nothing_open(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    (tmp_path / "parse-17.out").write_bytes(b"a" * 2 * BLOCK_BYTES)
    before = open_descriptors()
    bodies = [begin(client, f"192.0.2.{number}") for number in range(READERS_MAX)]
    result = client.simulate_get("/jobs/17/stderr")
    assert_problem(result, 503, "overloaded")
    assert "read the output" in result.json["detail"]
    assert client.simulate_get("/health").status_code == 200
    next(iter(bodies[0]))  # one client goes away after a while, the other at once
    for body in bodies:
        body.close()
    assert open_descriptors() == before
    assert_problem(client.simulate_get("/jobs/17/stderr"), 404, "not-found")
    for _ in range(READERS_MAX + 1):
        assert client.simulate_get("/jobs/17/stdout").status_code == 200


def test_no_reader_takes_the_places_of_all(client: falcon.testing.TestClient, tmp_path: Path) -> None:
    (tmp_path / "parse-17.out").write_bytes(b"a" * 2 * BLOCK_BYTES)
    with contextlib.closing(begin(client, "192.0.2.1")):
        result = client.simulate_get("/jobs/17/stdout", extras={"REMOTE_ADDR": "192.0.2.1"})
        assert_problem(result, 503, "overloaded")
        assert "of your requests already read the output" in result.json["detail"]
        assert client.simulate_get("/jobs/17/stdout", extras={"REMOTE_ADDR": "192.0.2.2"}).status_code == 200
    assert client.simulate_get("/jobs/17/stdout", extras={"REMOTE_ADDR": "192.0.2.1"}).status_code == 200
