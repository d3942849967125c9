"""Requests for many jobs: the model of each kind, and the arrays that the items are put into.

Slurm keeps one comment for all elements of an array, and of 1024 bytes at most, so an array has jobs of no more things
than fit in there. How the items are put into arrays follows from the items alone, so that the same batch, sent again to
another bridge, is made of the same arrays.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, create_model

from bridge.jobs.requests.kinds import JobKind, JobRequest

ELEMENTS_MAX = 250  # of an array; each that starts is sent what all of them have in their environment
THINGS_MAX = 24  # of an array; 25 bytes of its comment each
# Half a MiB makes starting an element twice as costly for Slurm, 75 kB nothing that can be measured. Linux would give a
# process 2 MiB.
ENVIRONMENT_MAX_BYTES = 2**17

Lane = Literal["live", "bulk"]
ITEM_VARIABLE = "TSM_ITEM_{index}"  # JSON: the variables of one element


class BatchRequest(BaseModel):
    """Many jobs of one kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    items: tuple[JobRequest, ...]
    lane: Lane = Field(
        "live",
        description="`bulk`: behind live jobs, as the operator has set it up (`batch.bulk_…`)",
        examples=["bulk"],
    )


@cache
def batch_model(kind: JobKind) -> type[BatchRequest]:
    """The model of batches of this kind: `ParseBatchRequest`."""
    model = kind.request
    example = {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}
    items: Any = Field(min_length=1, description="What each job is to do", examples=[[example]])
    return create_model(
        model.__name__.replace("Request", "BatchRequest"),
        __base__=BatchRequest,
        __doc__=f"Many jobs of kind `{kind.name}`.",
        items=(tuple[model, ...], items),  # type: ignore[valid-type]  # mypy has to know a type before it runs
    )


def arrays_of(items: Sequence[JobRequest], *, are_ordered: bool) -> list[list[int]]:
    """Which items each array has, by their places in the batch: those of one thing follow each other.

    Items that another job is to follow have arrays of their own. Where the jobs of a thing keep their order
    (`are_ordered`), each item has: elements share their name, and Slurm gives those that begin other numbers.
    """
    if are_ordered:
        return [[place] for place in range(len(items))]
    alone = [place for place, item in enumerate(items) if not item.is_followed]
    followed = [place for place, item in enumerate(items) if item.is_followed]
    return [*_arrays(items, alone), *_arrays(items, followed)]


def _arrays(items: Sequence[JobRequest], chosen: Sequence[int]) -> list[list[int]]:
    by_thing: dict[object, list[int]] = {}
    for place in chosen:
        by_thing.setdefault(items[place].thing_uuid, []).append(place)
    arrays: list[list[int]] = []
    things, size_bytes = 0, 0
    for places in by_thing.values():
        things += 1
        for place in places:
            item_bytes = _size_bytes(items[place])
            is_full = (
                not arrays
                or things > THINGS_MAX
                or len(arrays[-1]) == ELEMENTS_MAX
                or size_bytes + item_bytes > ENVIRONMENT_MAX_BYTES
            )
            if is_full:
                arrays.append([])
                things, size_bytes = 1, 0
            arrays[-1].append(place)
            size_bytes += item_bytes
    return arrays


def array_environment(items: Mapping[int, JobRequest]) -> dict[str, str]:
    """The variables of all elements, and one for each element, by its index, with those that are its own."""
    environments = {index: item.environment() for index, item in items.items()}
    first, *others = environments.values()
    shared = {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
    own = {
        index: {name: value for name, value in each.items() if name not in shared}
        for index, each in environments.items()
    }
    return {**shared, **{ITEM_VARIABLE.format(index=index): _json(each) for index, each in own.items()}}


def last_of_things(items: Sequence[JobRequest], places: Iterable[int]) -> set[int]:
    """Of these places in a batch, the last one of each thing."""
    return set({items[place].thing_uuid: place for place in places}.values())


def _size_bytes(item: JobRequest) -> int:
    return len(_encoder.encode(item.environment()))


def _json(variables: Mapping[str, str]) -> str:
    return _encoder.encode(variables).decode()


_encoder = msgspec.json.Encoder()
