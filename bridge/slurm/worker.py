"""The child process that talks to Slurm. The only module that imports pyslurm, and only once it runs as a child.

It has a process of its own for three reasons, all measured: pyslurm holds the GIL through every RPC, so a controller
that stalls freezes all threads of the process; libslurm ends the process when it finds no configuration; importing
pyslurm changes how every later shared library is loaded.
"""

import ctypes
import gc
import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from bridge.comments import COMMENT_START, comment_of
from bridge.hardening import forbid_core_dumps
from bridge.job_ids import array_indices
from bridge.slurm.accounting import find_past, load_past
from bridge.slurm.errors import PYSLURM_REFUSED
from bridge.slurm.exit_codes import keep_exit_codes
from bridge.slurm.line import Line
from bridge.slurm.messages import (
    AskController,
    Bug,
    Cancel,
    Cancelled,
    ControllerFacts,
    ControllerPing,
    Failure,
    Find,
    FindPast,
    Found,
    JobDescriptor,
    JobSnapshot,
    LoadPast,
    LoadQueue,
    Ping,
    Pinged,
    QueueChange,
    Ready,
    Reply,
    Request,
    Submitted,
    VerifyToken,
)
from bridge.slurm.signing import Signature, is_plugin_installed
from bridge.slurm.token_worker import TokenVerifier

if TYPE_CHECKING:
    from types import ModuleType

Handlers = dict[type[Request], Callable[[Any], Reply]]

ESLURM_INVALID_JOB_ID = 2017
ESLURM_ALREADY_DONE = 2021
IDLE_SECONDS = 3600.0  # any time will do where nothing is due
GAP_SECONDS = 60.0  # between two looks; in a longer one a job can have run and be forgotten


def worker_main(line: Line, slurm_conf_path: str | None) -> None:
    """Serve requests to the controller from `line` until its other end is closed.

    The first message is `Ready`, or a `Failure` that says why this process cannot serve. Every later message is the
    reply to one request. Where libslurm ends the process, the other end sees the line close.
    """
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    handlers: Handlers = {
        JobDescriptor: partial(submit, pyslurm),
        Find: partial(_find, pyslurm),
        Ping: partial(_ping, pyslurm),
        LoadQueue: _QueueReader(pyslurm).load,
        Cancel: partial(_cancel, pyslurm),
        AskController: partial(_facts, pyslurm),
    }
    _serve(line, pyslurm, handlers, Signature(pyslurm, slurm_conf_path))


def historian_main(line: Line, slurm_conf_path: str | None) -> None:
    """The same for requests to slurmdbd, which refuses tokens unless its own settings have them (AuthAltTypes)."""
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    handlers: Handlers = {FindPast: partial(find_past, pyslurm), LoadPast: partial(load_past, pyslurm)}
    _serve(line, pyslurm, handlers, None)


def verifier_main(line: Line, slurm_conf_path: str | None) -> None:
    """The same for others' tokens. It does nothing else: what it asks the controller it asks in their names."""
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    handlers: Handlers = {VerifyToken: TokenVerifier(pyslurm, slurm_conf_path).verify}
    _serve(line, pyslurm, handlers, None)


def _begin(line: Line, slurm_conf_path: str | None) -> "ModuleType | None":
    """pyslurm, or `None` where it cannot be had and the other end knows."""
    forbid_core_dumps()  # each job that is submitted comes through here with all that is secret in it
    # Ctrl-C and systemd's stop reach the whole group. The web process lets what is in flight finish, and then kills us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if slurm_conf_path is not None and not os.access(slurm_conf_path, os.R_OK):
        line.send(Failure(0, f"slurm_conf_path: cannot read {slurm_conf_path}"))
        return None
    try:
        return load_pyslurm(slurm_conf_path)
    except ImportError as error:
        line.send(Failure(0, f"pyslurm cannot be imported ({error}): pip install 'tsm-slurm-bridge[slurm]'"))
        return None


def _serve(line: Line, pyslurm: "ModuleType", handlers: Handlers, signature: Signature | None) -> None:
    gc.freeze()  # pyslurm stays: no collection need go through it
    line.send(Ready())
    with suppress(EOFError, OSError):  # the web process is gone
        while True:
            if signature is not None and not signature.due_in_seconds:
                signature.renew()
            try:
                request = line.receive(IDLE_SECONDS if signature is None else signature.due_in_seconds)
            except TimeoutError:
                continue
            line.send(_reply(pyslurm, handlers[type(request)], request))


def load_pyslurm(slurm_conf_path: str | None) -> "ModuleType":
    """Import and initialise pyslurm so that nothing of this process's environment gets into the jobs it submits."""
    if slurm_conf_path is not None:
        os.environ["SLURM_CONF"] = slurm_conf_path
    os.environ["SLURM_BITSTR_LEN"] = "0"  # or libslurm cuts the list of an array's waiting elements short
    os.environ["PYSLURM_DISABLE_AUTO_INIT"] = "1"
    import pyslurm

    keep_exit_codes(pyslurm)
    submission = pyslurm.core.job.submission
    submission.pyenviron = {}  # it looks there for SLURM_*, to copy it into every job's environment
    # It looks for a file whose name the text may be, each time; all jobs of a kind have the same text, which is none.
    submission._validate_batch_script = lru_cache(submission._validate_batch_script)
    pyslurm.slurm_init(slurm_conf_path)
    module: ModuleType = pyslurm
    return module


def _reply(pyslurm: "ModuleType", handle: Callable[[Any], Reply], request: Request) -> Reply:
    try:
        return handle(request)
    except pyslurm.RPCError as error:
        return Failure(int(error.errno), str(error.msg))
    except Exception as error:  # the web process logs it, and this one goes on
        frames = "".join(traceback.format_tb(error.__traceback__))
        return Bug(f"{frames}{type(error).__name__}")


def submit(pyslurm: "ModuleType", job: JobDescriptor) -> Reply:
    """Submit a job. Raises `pyslurm.RPCError` where Slurm refuses it or does not answer."""
    try:
        job_id = _description(pyslurm, job).submit()
    except (ValueError, TypeError, OverflowError) as error:
        # pyslurm's own refusal, before anything is sent; its words may hold a value from the job's environment.
        return Failure(PYSLURM_REFUSED, f"pyslurm: {type(error).__name__}")
    return Submitted(str(job_id))


def _description(pyslurm: "ModuleType", job: JobDescriptor) -> Any:
    return pyslurm.JobSubmitDescription(
        name=job.name,
        script=job.script,
        environment=dict(job.environment),
        comment=job.comment,
        working_directory=job.working_folder,
        standard_output=job.stdout_path,
        standard_error=job.stderr_path,
        partitions=job.partition,
        account=job.account,
        qos=job.qos,
        time_limit=job.time_limit_minutes,
        memory_per_node=job.memory_mib,
        cpus_per_task=job.cpus,
        nice=job.nice,
    )


def _find(pyslurm: "ModuleType", request: Find) -> Reply:
    try:
        job = pyslurm.Job.load(request.job_id)
    except pyslurm.RPCError as error:
        if error.errno == ESLURM_INVALID_JOB_ID:
            return Found(None)
        raise
    return Found(_snapshot(job) if job.user_id == os.getuid() else None)


def _snapshots(job: Any) -> list[JobSnapshot]:
    """The job; where it stands for the elements of an array that still wait, one for each of them."""
    snapshot, waiting = _snapshot(job), job.array_tasks_waiting
    if waiting is None:
        return [snapshot]
    return [snapshot._replace(job_id=f"{job.array_id}_{index}") for index in array_indices(waiting)]


def _snapshot(job: Any) -> JobSnapshot:
    reason = job.state_reason
    return JobSnapshot(
        # pyslurm has None for an index of 0.
        job_id=str(job.id) if job.array_id is None else f"{job.array_id}_{job.array_task_id or 0}",
        comment=comment_of(job),
        state=job.state,
        state_reason=None if reason in (None, "None") else reason,
        exit_code=job.exit_code or 0,
        signal=job.exit_code_signal or 0,
        submit_time=job.submit_time,
        start_time=job.start_time,
        end_time=job.end_time,
        nodes=job.allocated_nodes,
        partition=job.partition,
        restarts=job.requeue_count or 0,
    )


class _QueueReader:
    """Tells what has changed in the queue since it last looked."""

    def __init__(self, pyslurm: "ModuleType") -> None:
        self._pyslurm = pyslurm
        self._known: dict[str, JobSnapshot] | None = None
        self._loaded_at_seconds = 0.0

    def load(self, _request: LoadQueue) -> Reply:
        ours = (job for job in self._pyslurm.Jobs.load().values() if job.user_id == os.getuid())
        bridges = (job for job in ours if comment_of(job).startswith(COMMENT_START))
        jobs = {snapshot.job_id: snapshot for job in bridges for snapshot in _snapshots(job)}
        known = self._known
        if known is not None and time.monotonic() - self._loaded_at_seconds < GAP_SECONDS:
            jobs.update((job.job_id, job) for job in _cancelled_elements(known, jobs))
        self._known, self._loaded_at_seconds = jobs, time.monotonic()
        if known is None:
            return QueueChange(is_full=True, jobs=tuple(jobs.values()), gone=())
        changed = tuple(job for job_id, job in jobs.items() if known.get(job_id) != job)
        return QueueChange(is_full=False, jobs=changed, gone=tuple(known.keys() - jobs.keys()))


def _cancelled_elements(known: Mapping[str, JobSnapshot], jobs: Mapping[str, JobSnapshot]) -> list[JobSnapshot]:
    """Elements that were waiting and are not in the queue any more, while others of their array are.

    Slurm keeps no record of an element that is cancelled before it is first considered for a start.
    """
    arrays = {job_id.partition("_")[0] for job_id in jobs if "_" in job_id}
    gone = (known[job_id] for job_id in known.keys() - jobs.keys() if "_" in job_id)
    waiting = (job for job in gone if job.state == "PENDING" and job.job_id.partition("_")[0] in arrays)
    return [job._replace(state="CANCELLED", state_reason=None, end_time=int(time.time())) for job in waiting]


def _cancel(pyslurm: "ModuleType", request: Cancel) -> Reply:
    # pyslurm's own `cancel` knows no array elements, and reports success for a job that has ended or is unknown.
    kill_job = ctypes.CDLL(None, use_errno=True).slurm_kill_job2
    if kill_job(request.job_id.encode(), signal.SIGKILL, 0, None) == 0:
        return Cancelled(is_taken=True)
    code = ctypes.get_errno()
    if code in (ESLURM_INVALID_JOB_ID, ESLURM_ALREADY_DONE):
        return Cancelled(is_taken=False)
    raise pyslurm.RPCError(code)


def _facts(pyslurm: "ModuleType", _request: AskController) -> Reply:
    config = pyslurm.slurmctld.Config.load()
    return ControllerFacts(
        booted_at=config.slurmctld_boot_time,
        min_job_age_seconds=config.min_job_age,
        has_accounting=config.accounting_storage_type == "accounting_storage/slurmdbd",
        has_tokens="auth/jwt" in config.auth_alt_types and is_plugin_installed(config.plugin_dirs),
    )


def _ping(pyslurm: "ModuleType", _request: Ping) -> Reply:
    return Pinged(tuple(ControllerPing(ping.hostname, ping.is_responding) for ping in pyslurm.slurmctld.ping_all()))
