"""Patches of pyslurm: a worker starts only with a pyslurm that has every name that is changed."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.slurm.worker.pyslurm_patches import UnfitPyslurmError, ended_jobs, patch


class JobFilter:
    """pyslurm's."""

    def __init__(self, **conditions: object) -> None:
        self.conditions = conditions

    def _parse_state(self) -> list[str]:
        return []


def pyslurm() -> Any:
    """As much of it as is changed."""
    submission = SimpleNamespace(pyenviron={"SLURM_JWT": "canary"}, _validate_batch_script=str.upper)
    exit_code = SimpleNamespace(_get_exit_code=lambda status: (status - 128, 0))
    return SimpleNamespace(
        __version__="25.11.2",
        core=SimpleNamespace(job=SimpleNamespace(job=exit_code, submission=submission)),
        db=SimpleNamespace(
            job=SimpleNamespace(**vars(exit_code)), step=SimpleNamespace(**vars(exit_code)), JobFilter=JobFilter
        ),
    )


def test_what_is_changed() -> None:
    module = pyslurm()
    patch(module)
    for place in (module.core.job.job, module.db.job, module.db.step):
        assert place._get_exit_code(139 << 8) == (139, 0)
    assert module.core.job.submission.pyenviron == {}
    assert module.core.job.submission._validate_batch_script("text") == "TEXT"
    jobs = ended_jobs(module, users=[0])
    assert (jobs.conditions, jobs._parse_state()[0]) == ({"users": [0]}, "3")


@pytest.mark.parametrize(
    ("place", "name"),
    [("db.step", "_get_exit_code"), ("core.job.submission", "pyenviron"), ("db", "JobFilter")],
)
def test_a_pyslurm_without_one_of_the_names_is_refused_by_name(place: str, name: str) -> None:
    module = changed = pyslurm()
    for part in place.split("."):
        changed = getattr(changed, part)
    delattr(changed, name)
    with pytest.raises(UnfitPyslurmError, match=rf"pyslurm 25\.11\.2 has no {place}\.{name}"):
        patch(module)
