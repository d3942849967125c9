"""Jobs that never overlap: Slurm lets one of a name and a user begin when none that came before it waits or runs."""

import re
from uuid import UUID

SINGLETON = "singleton"  # of --dependency
_PREFIX = "thing-"
_NAME = re.compile(rf"{_PREFIX}[0-9a-f-]{{36}}")


def singleton_name(thing_uuid: UUID) -> str:
    """The name that all jobs of a thing share."""
    return f"{_PREFIX}{thing_uuid}"


def joined(dependency: str | None, *, is_singleton: bool) -> str | None:
    """What Slurm is told of it, beside another dependency. `None`: of none."""
    return ",".join(filter(None, [SINGLETON if is_singleton else "", dependency])) or None


def is_singleton_name(name: str) -> bool:
    """Whether a job of this name was submitted so: Slurm forgets it once the job has begun."""
    return _NAME.fullmatch(name) is not None
