"""What `tsm-bridge doctor` asks: what the cluster is, and whether it would accept a job, without submitting one."""

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bridge.slurm.errors import PYSLURM_REFUSED
from bridge.slurm.message_format import Reply
from bridge.slurm.messages import Acceptable, AskCluster, ClusterFacts, Failure, JobDescriptor, TrySubmission
from bridge.slurm.worker.library_words import LibraryWords, refusal

if TYPE_CHECKING:
    from types import ModuleType


def cluster_facts(pyslurm: "ModuleType", _request: AskCluster) -> Reply:
    """What the cluster is."""
    config = pyslurm.slurmctld.Config.load()
    return ClusterFacts(
        pyslurm_release=str(pyslurm.__version__),
        slurm_release=str(config.version),
        clock=int(pyslurm.slurmctld.Statistics.load().request_time),
        booted_at=config.slurmctld_boot_time,
        accounting_flags=tuple(flag.lower() for flag in config.accounting_store_flags or ()),
        submit_plugins=tuple(config.job_submit_plugins or ()),
    )


def try_submission(
    describe: Callable[[JobDescriptor], Any], words: LibraryWords, request: TrySubmission
) -> Acceptable | Failure:
    """Slurm's own test of a submission (`sbatch --test-only`). `Failure` where it would refuse the job."""
    try:
        description = describe(request.job)
        description._create_job_submit_desc()
    except (ValueError, TypeError, OverflowError) as error:
        return Failure(PYSLURM_REFUSED, f"pyslurm: {type(error).__name__}")
    with words:
        code = _will_run(description)
    said = words.take()
    if not code:
        return Acceptable()
    strerror = ctypes.CDLL(None).slurm_strerror
    strerror.restype = ctypes.c_char_p
    return refusal(code, strerror(code).decode(), said)


def _will_run(description: Any) -> int:
    """0, or Slurm's error number. pyslurm has loaded the function and does not wrap it."""
    library = ctypes.CDLL(None, use_errno=True)
    answer = ctypes.c_void_p()
    # pyslurm's own pointer to the message: the first member of the object, behind what every object begins with.
    message = ctypes.c_void_p.from_address(id(description) + object.__basicsize__)
    failed = library.slurm_job_will_run2(message, ctypes.byref(answer))
    code = ctypes.get_errno() if failed else 0
    library.slurm_free_will_run_response_msg(answer)
    return code
