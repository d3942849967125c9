"""The child process that talks to Slurm. The only module that imports pyslurm, and only once it runs as a child.

It has a process of its own for three reasons, all measured: pyslurm holds the GIL through every RPC, so a controller
that stalls freezes all threads of the process; libslurm ends the process when it finds no configuration; importing
pyslurm changes how every later shared library is loaded.
"""

import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bridge.core.process import forbid_core_dumps, keep_what_there_is
from bridge.slurm.errors import PYSLURM_REFUSED
from bridge.slurm.job_ids import indices_text
from bridge.slurm.message_format import Reply
from bridge.slurm.message_socket import MessageSocket
from bridge.slurm.messages import (
    AskCluster,
    AskController,
    Cancel,
    Failure,
    Find,
    FindPast,
    JobDescriptor,
    LoadPast,
    LoadQueue,
    Ping,
    Ready,
    Release,
    RequeueJobs,
    Submitted,
    TrySubmission,
    VerifyToken,
)
from bridge.slurm.singletons import joined
from bridge.slurm.worker.accounting import find_past, load_past
from bridge.slurm.worker.cluster_check import cluster_facts, try_submission
from bridge.slurm.worker.controllers import facts, ping
from bridge.slurm.worker.job_control import cancel, release, requeue
from bridge.slurm.worker.library_words import LibraryWords, refusal
from bridge.slurm.worker.pyslurm_patches import UnfitPyslurmError, patch
from bridge.slurm.worker.queue import QueueReader, find
from bridge.slurm.worker.session import Handlers, Session
from bridge.slurm.worker.signing import Signature
from bridge.slurm.worker.token_check import TokenVerifier

if TYPE_CHECKING:
    from types import ModuleType

ESLURM_INVALID_NODE_NAME = 2018
ESLURM_INVALID_EXTRA = 2171
IDLE_SECONDS = 3600.0  # any time will do


def worker_main(line: MessageSocket, slurm_conf_path: str | None) -> None:
    """Serve requests to the controller from `line` until its other end is closed.

    The first message is `Ready`, or a `Failure` that says why this process cannot serve. Every later message is the
    reply to one request. Where libslurm ends the process, the other end sees the line close.
    """
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    words = LibraryWords()
    handlers: Handlers = {
        JobDescriptor: partial(submit, pyslurm, words),
        Find: partial(find, pyslurm),
        Ping: ping,
        LoadQueue: QueueReader(pyslurm).load,
        Cancel: partial(cancel, pyslurm),
        Release: partial(release, pyslurm),
        RequeueJobs: partial(requeue, pyslurm),
        AskController: partial(facts, pyslurm),
        AskCluster: partial(cluster_facts, pyslurm),
        TrySubmission: partial(try_submission, partial(_description, pyslurm, extra=None), words),
    }
    _serve(line, Session(pyslurm, slurm_conf_path, handlers, Signature(pyslurm, slurm_conf_path)))


def accounting_main(line: MessageSocket, slurm_conf_path: str | None) -> None:
    """The same for requests to slurmdbd, which refuses tokens unless its own settings have them (AuthAltTypes)."""
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    handlers: Handlers = {FindPast: partial(find_past, pyslurm), LoadPast: partial(load_past, pyslurm)}
    _serve(line, Session(pyslurm, slurm_conf_path, handlers, None))


def token_check_main(line: MessageSocket, slurm_conf_path: str | None) -> None:
    """The same for others' tokens. It does nothing else: what it asks the controller it asks in their names."""
    pyslurm = _begin(line, slurm_conf_path)
    if pyslurm is None:
        return
    handlers: Handlers = {VerifyToken: TokenVerifier(pyslurm, slurm_conf_path).verify}
    _serve(line, Session(pyslurm, slurm_conf_path, handlers, None))


def _begin(line: MessageSocket, slurm_conf_path: str | None) -> "ModuleType | None":
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
    except UnfitPyslurmError as error:
        line.send(Failure(0, str(error)))
        return None


def _serve(line: MessageSocket, session: Session) -> None:
    keep_what_there_is()  # pyslurm
    line.send(Ready())
    with suppress(EOFError, OSError):  # the web process is gone
        while True:
            try:
                request = line.receive_request(IDLE_SECONDS)
            except TimeoutError:
                continue
            line.send(session.reply_to(request))


def load_pyslurm(slurm_conf_path: str | None) -> "ModuleType":
    """Import and initialise pyslurm so that nothing of this process's environment gets into the jobs it submits.

    Raises `ImportError` where there is no pyslurm, `UnfitPyslurmError` where it is another one than the bridge needs.
    """
    if slurm_conf_path is not None:
        os.environ["SLURM_CONF"] = slurm_conf_path
    os.environ["SLURM_BITSTR_LEN"] = "0"  # or libslurm cuts the list of an array's waiting elements short
    os.environ["PYSLURM_DISABLE_AUTO_INIT"] = "1"
    import pyslurm

    patch(pyslurm)
    pyslurm.slurm_init(slurm_conf_path)
    module: ModuleType = pyslurm
    return module


def submit(pyslurm: "ModuleType", words: LibraryWords, job: JobDescriptor) -> Reply:
    """Submit a job. `Failure` where Slurm refuses it or does not answer, with a plugin's words for the user."""
    reply = _submit(pyslurm, words, job, extra=job.comment)  # there admins and plugins leave it alone
    if isinstance(reply, Failure) and reply.code == ESLURM_INVALID_EXTRA:  # it is for constraints on this cluster
        return _submit(pyslurm, words, job, extra=None)
    if isinstance(reply, Failure) and reply.code == ESLURM_INVALID_NODE_NAME and job.excluded_nodes:
        return submit(pyslurm, words, replace(job, excluded_nodes=()))  # one of them has left the cluster
    return reply


def _submit(pyslurm: "ModuleType", words: LibraryWords, job: JobDescriptor, extra: str | None) -> Reply:
    try:
        with words:
            job_id = _description(pyslurm, job, extra).submit()
    except pyslurm.RPCError as error:
        return refusal(int(error.errno), str(error.msg), words.take())
    except (ValueError, TypeError, OverflowError) as error:
        # pyslurm's own refusal, before anything is sent; its words may hold a value from the job's environment.
        return Failure(PYSLURM_REFUSED, f"pyslurm: {type(error).__name__}")
    words.take()  # of a plugin that lets the job pass
    return Submitted(str(job_id))


def _description(pyslurm: "ModuleType", job: JobDescriptor, extra: str | None) -> Any:
    return pyslurm.JobSubmitDescription(
        name=job.name,
        script=job.script,
        environment=dict(job.environment),
        comment=job.comment,
        extra=extra,
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
        begin_time=job.begin_time,
        excluded_nodes=list(job.excluded_nodes) or None,
        array=_array(job),
        dependencies=joined(job.dependency, is_singleton=job.is_singleton),
        kill_on_invalid_dependency=job.dependency is not None,
    )


def _array(job: JobDescriptor) -> str | None:
    if job.indices is None:
        return None
    return indices_text(job.indices) + ("" if job.running_max is None else f"%{job.running_max}")
