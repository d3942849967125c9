"""How a batch becomes arrays, and what Slurm keeps of each."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from bridge.jobs.requests.array_things import thing_of, things_text
from bridge.jobs.requests.batches import (
    ELEMENTS_MAX,
    ENVIRONMENT_MAX_BYTES,
    THINGS_MAX,
    BatchRequest,
    Lane,
    array_environment,
    arrays_of,
)
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import RequestIdentity
from bridge.jobs.requests.kinds import JobRequest, ParseRequest, QaqcRequest
from bridge.jobs.requests.metadata import JobMetadata
from bridge.jobs.requests.script import render_job_script
from bridge.slurm.job_ids import array_indices, indices_text
from tests.support.samples import HASHES, settings

COMMENT_MAX_BYTES = 1024  # Slurm's limit; tests/slurm/test_batches.py has it from Slurm itself
CHANCE = random.Random(7)  # noqa: S311 - which item comes next


def thing(number: int) -> UUID:
    return UUID(int=2**127 + number)


def item(of: int, source: str = "https://storage.example/f.csv") -> ParseRequest:
    return ParseRequest.model_construct(
        target="postgresql://tsm:secret@db.example/tsm", thing_uuid=thing(of), parser="CsvParser", source=source
    )


@pytest.mark.parametrize("counts", [[1], [3], [1, 1], [40, 17, 1], [1] * 24], ids=str)
def test_each_element_has_its_thing(counts: list[int]) -> None:
    things = [thing(number) for number, count in enumerate(counts) for _ in range(count)]
    text = things_text(things)
    assert [thing_of(things[0], text, index) for index in range(len(things))] == things


@pytest.mark.parametrize("indices", [[0], [0, 1, 2], [0, 2, 3, 4, 9], [5]], ids=str)
def test_indices_as_slurm_writes_them(indices: list[int]) -> None:
    assert array_indices(indices_text(indices)) == indices


def test_every_item_is_in_one_array_and_no_array_has_too_much() -> None:
    items = [item(CHANCE.randrange(60), "https://s.example/" + "x" * CHANCE.randrange(8000)) for _ in range(3000)]
    arrays = arrays_of(items, are_ordered=False)
    assert sorted(place for places in arrays for place in places) == list(range(3000))
    for places in arrays:
        of_array = [items[place] for place in places]
        assert len(places) <= ELEMENTS_MAX
        assert len({each.thing_uuid for each in of_array}) <= THINGS_MAX
        environment = array_environment(dict(enumerate(of_array)))
        assert sum(len(name) + len(value) for name, value in environment.items()) < ENVIRONMENT_MAX_BYTES + 10_000


def test_a_batch_in_other_arrays_is_another_request() -> None:
    batch = BatchRequest.model_construct(items=tuple(item(number) for number in range(4)), lane="live")
    whole, (first, second) = (
        HASHES.batch_identities(batch, arrays, "k", None) for arrays in ([[0, 1, 2, 3]], [[0, 1], [2, 3]])
    )
    (other_order,) = HASHES.batch_identities(batch, [[1, 0, 2, 3]], "k", None)
    assert whole[0].key == first.key == other_order.key != second.key
    assert len({whole[0].digest, first.digest, second.digest, other_order.digest}) == 4


def test_items_of_one_thing_keep_their_order() -> None:
    items = [item(number % 2, f"https://s.example/{number}") for number in range(10)]
    assert arrays_of(items, are_ordered=False) == [[0, 2, 4, 6, 8, 1, 3, 5, 7, 9]]


def test_many_items_of_few_things_are_few_arrays() -> None:
    assert len(arrays_of([item(number % 10) for number in range(1000)], are_ordered=False)) == 1000 / ELEMENTS_MAX


def test_the_longest_comment_is_one_that_slurm_keeps() -> None:
    items = [item(number) for number in range(THINGS_MAX - 1) for _ in range(9)]
    items += [item(THINGS_MAX)] * (ELEMENTS_MAX - len(items))
    factory = JobFactory.of(settings(), HASHES)
    identity = RequestIdentity("k" * 32, "d" * 32, "c" * 64, "k", "")
    descriptor, metadata = factory.describe_array(items, "bulk", None, identity, "r" * 64)
    assert len(descriptor.comment.encode()) <= COMMENT_MAX_BYTES
    assert JobMetadata.from_json(descriptor.comment) == metadata
    assert [metadata.thing_of(index) for index in range(ELEMENTS_MAX)] == [each.thing_uuid for each in items]


@pytest.mark.parametrize("lane", ["live", "bulk"])
def test_the_lane_decides_where_elements_run(lane: Lane) -> None:
    batch = {"bulk_partition": "night", "bulk_qos": "low", "bulk_nice": 7}
    factory = JobFactory.of(settings(batch=batch), HASHES)
    identity = RequestIdentity("k", "d", None, "k", "")
    descriptor, metadata = factory.describe_array([item(1)], lane, 5, identity, "r")
    expected = ("night", "low", 7, "bulk") if lane == "bulk" else (None, None, 0, None)
    assert (descriptor.partition, descriptor.qos, descriptor.nice, metadata.lane) == expected
    assert (descriptor.indices, descriptor.running_max) == ((0,), 5)
    assert descriptor.stdout_path.endswith("/parse-%A_%a.out")


def test_what_all_elements_share_is_said_once() -> None:
    environment = array_environment({0: item(1, "https://s.example/a"), 1: item(1, "https://s.example/b")})
    assert environment["TSM_TARGET"] == "postgresql://tsm:secret@db.example/tsm"
    assert [json.loads(environment[f"TSM_ITEM_{index}"]) for index in (0, 1)] == [
        {"TSM_SOURCE": "https://s.example/a"},
        {"TSM_SOURCE": "https://s.example/b"},
    ]


def test_a_field_that_some_items_lack_is_no_shared_one() -> None:
    whole = QaqcRequest.model_construct(target="t", thing_uuid=thing(1))
    items: list[JobRequest] = [whole, whole.model_copy(update={"qc_settings_name": "usual"})]
    environment = array_environment(dict(enumerate(items)))
    assert "TSM_QC_SETTINGS_NAME" not in environment
    assert json.loads(environment["TSM_ITEM_0"]) == {}


@pytest.mark.parametrize("index", [0, 1])
def test_an_element_gets_its_own_item_and_no_other(tmp_path: Path, index: int) -> None:
    program = tmp_path / "main.py"
    program.write_text("import os, sys; print(sys.argv[1:], [name for name in os.environ if name.startswith('TSM_')])")
    script = render_job_script("parse", [sys.executable, str(program)])
    items = [item(1, "https://s.example/a'b-$(id)"), item(2, "https://s.example/b")]
    environment = {**os.environ, **array_environment(dict(enumerate(items))), "SLURM_ARRAY_TASK_ID": str(index)}
    done = subprocess.run(["bash"], input=script, env=environment, capture_output=True, text=True, check=True)
    assert f"--source={items[index].source}" in done.stdout.replace("\\'", "'")
    assert f"--device-id={items[index].thing_uuid}" in done.stdout
    assert items[1 - index].source not in done.stdout
    assert done.stdout.strip().endswith(" []")
