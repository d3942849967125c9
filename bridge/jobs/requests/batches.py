"""Requests for many jobs: the model of each kind, and the arrays that the items are put into.

Slurm keeps one comment for all elements of an array, and of 1024 bytes at most, so an array has jobs of no more things
than fit in there. How the items are put into arrays follows from the items alone, so that the same batch, sent again to
another bridge, is made of the same arrays.
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal

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
        items=(tuple[model, ...], items),  # type: ignore[valid-type]
    )


def arrays_of(items: Sequence[JobRequest], *, are_ordered: bool) -> list[list[int]]:
    """Which items each array has, by their places in the batch: those of one thing follow each other.

    Items that another job is to follow have arrays of their own. Where the jobs of a thing keep their order
    (`are_ordered`), each item has: elements share their name, and Slurm gives those that begin other numbers.
    """
    if are_ordered:
        return [[place] for place in range(len(items))]
    alone = [place for place, item in enumerate(items) if item.follow_up() is None]
    followed = [place for place, item in enumerate(items) if item.follow_up() is not None]
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


def array_environment(items: Sequence[JobRequest]) -> dict[str, str]:
    """The variables of all elements, and one for each element with those that are its own."""
    environments = [item.environment() for item in items]
    first, *others = environments
    shared = {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
    own = ({name: value for name, value in each.items() if name not in shared} for each in environments)
    return {**shared, **{ITEM_VARIABLE.format(index=index): _json(each) for index, each in enumerate(own)}}


def _size_bytes(item: JobRequest) -> int:
    return len(_json(item.environment()).encode())


def _json(variables: Mapping[str, str]) -> str:
    return json.dumps(variables, ensure_ascii=False, separators=(",", ":"))
