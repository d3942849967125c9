"""A Slurm with a job_submit plugin in Lua."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.private_slurm import PrivateSlurm
from tests.support.slurm_installation import needs_plugin

_MODIFY = """
function slurm_job_modify(job, changes, partitions, uid)
    return slurm.SUCCESS
end
"""


@contextmanager
def slurm_with_plugin(folder: Path, submit: str, overrides: Mapping[str, str] = {}) -> Iterator[PrivateSlurm]:
    """A Slurm in `folder` whose plugin is `submit`, Lua for `slurm_job_submit`. Skips the test without Lua."""
    needs_plugin("job_submit_lua")
    folder.mkdir()
    (folder / "job_submit.lua").write_text(submit + _MODIFY)
    with PrivateSlurm(folder, overrides={"JobSubmitPlugins": "lua", **overrides}) as slurm:
        yield slurm
