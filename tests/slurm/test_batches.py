"""Batches on a real Slurm: each item one job, whatever is killed meanwhile."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.core.deadline import Deadline
from bridge.core.errors import SlurmRefusedError
from bridge.jobs.requests.batches import ELEMENTS_MAX, THINGS_MAX
from bridge.slurm.job_ids import array_indices
from tests.support.bridge_process import Bridge, running_bridge, service_environment, start_bridge
from tests.support.comment_keys import CommentKeys
from tests.support.private_slurm import DEFAULT_PARTITIONS, PrivateSlurm
from tests.support.real_gateway import running_gateway
from tests.support.samples import PARSE_BODY, descriptor
from tests.support.waiting import wait_until

PROGRAM = """
import os, sys
print(*sys.argv[1:])
print("item" if any(name.startswith("TSM_") for name in os.environ) else "no item")
sys.exit(7 if "--parser=fails" in sys.argv else 0)
"""
COMMENT_MAX_BYTES = 1024


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    """With room for many jobs at a time, and a partition in which they wait."""
    (shared_folder / "slurm").mkdir()
    partitions = (*DEFAULT_PARTITIONS, "PartitionName=waiting Nodes=ALL State=DOWN")
    with PrivateSlurm(shared_folder / "slurm", cpus=64, partitions=partitions) as slurm:
        yield slurm


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path, keys: CommentKeys) -> dict[str, str]:
    program = shared_folder / "main.py"
    program.write_text(PROGRAM)
    more = {**keys.environment, "BRIDGE_BATCH__BULK_PARTITION": "waiting"}
    return service_environment(slurm, shared_folder, ["/usr/bin/python3", str(program)], **more)


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str]) -> Iterator[Bridge]:
    with running_bridge(shared_folder, environment) as bridge:
        yield bridge


def thing(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def batch(count: int, things: int, lane: str = "live", source: str = "file") -> dict[str, Any]:
    items = [
        {**PARSE_BODY, "source": f"https://storage.example/{source}-{number}.csv", "thing_uuid": thing(number % things)}
        for number in range(count)
    ]
    return {"items": items, "lane": lane}


class Elements:
    """How many jobs that were not cancelled each element of a batch has: by the key of its array, and its index."""

    def __init__(self, slurm: PrivateSlurm, keys: CommentKeys) -> None:
        self._slurm = slurm
        self._keys = keys

    def of(self, *client_keys: str) -> Counter[tuple[str, int]]:
        """Of the batches with these keys of a client, of ten arrays at most."""
        keys = {self._keys.of(key + (f"\0{number}" if number else "")) for key in client_keys for number in range(10)}
        lines = self._slurm.run(
            "squeue", "--noheader", "--array", "--states=PENDING,RUNNING,COMPLETED", "--format=%K|%k"
        )
        pairs = (line.strip().split("|", 1) for line in lines.splitlines())
        elements = ((json.loads(comment)["key"], int(index)) for index, comment in pairs if index != "N/A")
        return Counter(element for element in elements if element[0] in keys)


@pytest.fixture(scope="module")
def keys(shared_folder: Path) -> CommentKeys:
    return CommentKeys(shared_folder)


@pytest.fixture(scope="module")
def elements(slurm: PrivateSlurm, keys: CommentKeys) -> Elements:
    return Elements(slurm, keys)


def test_each_item_is_a_job_with_its_own_end_and_output(bridge: Bridge) -> None:
    body = batch(30, things=3)
    body["items"][4]["parser"] = "fails"
    answer = bridge.post("/extractor/batch", body)
    assert (answer.status, len(answer.body["array_job_ids"])) == (202, 1)
    for number, promised in enumerate(answer.body["jobs"]):
        job = bridge.wait_until_finished(promised["job_id"])
        assert (job["job_id"], job["thing_uuid"]) == (promised["job_id"], thing(number % 3))
        assert job["exit_code"] == (7 if number == 4 else 0), job["explanation"]
        words = bridge.get_bytes(job["stdout_href"]).body.decode()
        assert f"--source=https://storage.example/file-{number}.csv" in words
        assert f"--device-id={thing(number % 3)}" in words
        assert words.splitlines()[1] == "no item"
    listed = bridge.get(f"/jobs?thing_uuid={thing(1)}").body["jobs"]
    assert {job["job_id"] for job in listed} == {job["job_id"] for job in answer.body["jobs"][1::3]}


def test_no_listing_of_slurm_shows_what_is_secret(bridge: Bridge, slurm: PrivateSlurm) -> None:
    array_id = bridge.post("/extractor/batch", batch(3, things=2, lane="bulk")).body["array_job_ids"][0]
    shown = slurm.run("scontrol", "show", "job", array_id)
    assert "storage.example" not in shown
    assert "Partition=waiting" in shown
    assert "Nice=1000000" in shown


def test_slurm_keeps_a_comment_of_the_length_that_the_bridge_reckons_with(
    slurm: PrivateSlurm, shared_folder: Path
) -> None:
    with running_gateway(slurm, workers=1) as gateway:
        longest = descriptor(shared_folder, comment="c" * COMMENT_MAX_BYTES, partition="waiting")
        assert gateway.submit(longest, Deadline.after(10))
        with pytest.raises(SlurmRefusedError):
            gateway.submit(descriptor(shared_folder, comment="c" * (COMMENT_MAX_BYTES + 1)), Deadline.after(10))


def test_an_array_with_all_that_fits(bridge: Bridge, slurm: PrivateSlurm) -> None:
    body = batch(ELEMENTS_MAX, things=THINGS_MAX, lane="bulk")
    answer = bridge.post("/extractor/batch", body)
    assert (answer.status, len(answer.body["array_job_ids"])) == (202, 1)
    for number in (0, 1, ELEMENTS_MAX - 1):
        shown = bridge.get(answer.body["jobs"][number]["href"]).body
        assert shown["thing_uuid"] == thing(number % THINGS_MAX)
        assert (shown["array_job_id"], shown["lane"]) == (answer.body["array_job_ids"][0], "bulk")


def test_some_elements_are_cancelled_and_no_others(bridge: Bridge) -> None:
    jobs = bridge.post("/extractor/batch", batch(4, things=1, lane="bulk")).body["jobs"]
    for job in jobs[1:3]:
        assert bridge.delete(job["href"]).status == 202
    for number, job in enumerate(jobs):
        wanted = "CANCELLED" if number in (1, 2) else "PENDING"
        bridge.wait_for(job["job_id"], lambda shown, wanted=wanted: shown["state"] == wanted)


def test_a_batch_is_cancelled_as_a_whole(bridge: Bridge, elements: Elements) -> None:
    jobs = bridge.post("/extractor/batch", batch(60, things=30, lane="bulk"), key="whole").body["jobs"]
    ids = [job["job_id"] for job in jobs]
    answer = bridge.post("/jobs/cancel", {"ids": [*ids[1:], "4000000"]})
    assert [result["status"] for result in answer.body["results"]] == [202] * 59 + [404]
    wait_until(lambda: len(elements.of("whole")) == 1, "Slurm has cancelled them")
    for job_id in ids[1:]:
        bridge.wait_until_finished(job_id)
    assert bridge.get(f"/jobs/{ids[0]}").body["state"] == "PENDING"


def test_a_restarted_bridge_knows_a_batch_and_goes_on_with_one_that_was_interrupted(
    elements: Elements, shared_folder: Path, environment: dict[str, str]
) -> None:
    folder = shared_folder / "restarted"
    folder.mkdir()
    body = batch(200, things=100, lane="bulk", source="restarted")
    bridge = start_bridge(folder, environment)
    with ThreadPoolExecutor(1) as client, ExitStack() as stack:
        stack.callback(bridge.process.wait)
        stack.callback(bridge.process.kill)
        posted = client.submit(bridge.post, "/extractor/batch", body, key="restarted")
        wait_until(lambda: elements.of("restarted"), "a part of it is submitted")
        bridge.process.kill()
        posted.exception()  # it got an answer, or its connection broke
    with running_bridge(folder, environment) as later:
        answer = later.post("/extractor/batch", body, key="restarted")
        assert answer.status in (200, 202), answer.body
        again = later.post("/extractor/batch", body, key="restarted")
    assert (again.status, again.body["jobs"]) == (200, answer.body["jobs"])
    assert len({job["job_id"] for job in answer.body["jobs"]}) == 200
    assert len(elements.of("restarted")) == 200
    assert set(elements.of("restarted").values()) == {1}


def test_two_bridges_that_get_one_batch_at_the_same_time_leave_one_job_an_item(
    elements: Elements, shared_folder: Path, environment: dict[str, str]
) -> None:
    body = batch(120, things=60, lane="bulk", source="both")
    names = [f"both-{number}" for number in range(5)]
    with ExitStack() as stack, ThreadPoolExecutor(2) as clients:
        bridges = []
        for name in ("left", "right"):
            (shared_folder / name).mkdir()
            bridges.append(stack.enter_context(running_bridge(shared_folder / name, environment)))
        for name in names:
            posts = [clients.submit(one.post, "/extractor/batch", body, key=name) for one in bridges]
            assert {post.result().status for post in posts} <= {200, 202}

        def is_settled() -> bool:
            found = elements.of(*names)
            return len(found) == 600 and set(found.values()) == {1}

        wait_until(is_settled, "duplicates are cancelled")
        for name in names:
            left, right = (one.post("/extractor/batch", body, key=name) for one in bridges)
            assert left.body["jobs"] == right.body["jobs"]


def test_a_crashed_controller_costs_no_element(slurm: PrivateSlurm, bridge: Bridge, elements: Elements) -> None:
    body = batch(100, things=50, lane="bulk", source="crash")
    answer = bridge.post("/extractor/batch", body, key="crash")
    assert answer.status == 202
    slurm.kill_controller()
    slurm.start_controller()
    wait_until(lambda: len(elements.of("crash")) == 100, "all elements are there", 40)
    assert set(elements.of("crash").values()) == {1}
    again = bridge.post("/extractor/batch", body, key="crash")
    assert again.status == 200
    assert {bridge.get(job["href"]).body["state"] for job in again.body["jobs"]} == {"PENDING"}
    assert [bridge.get(job["href"]).body["thing_uuid"] for job in again.body["jobs"][48:52]] == [
        thing(number % 50) for number in range(48, 52)
    ]


def test_indices_are_read_as_slurm_writes_them(slurm: PrivateSlurm) -> None:
    arguments = ["--array=1-9:2,12", "--chdir=/tmp", "--hold", "--output=/dev/null", "--wrap=true"]
    array_id = slurm.run("sbatch", "--parsable", *arguments, user="sontsm").strip()
    shown = slurm.run("squeue", "--noheader", f"--jobs={array_id}", "--format=%K").strip()
    assert array_indices(shown) == [1, 3, 5, 7, 9, 12]
    slurm.run("scancel", array_id)
