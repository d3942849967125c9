"""A job of each kind that starts the extractor's interpreter on a node and looks for the program: `doctor --probe`."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from bridge.config.settings import Settings
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.doctor.findings import Finding, green, red, yellow
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.requests.script import render_job_script
from bridge.jobs.status.explanations import explain
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.comments import COMMENT_START
from bridge.slurm.messages import Cancel, JobDescriptor, JobSnapshot
from bridge.slurm.states import FINISHED_STATES

RPC_SECONDS = 12.0
PROBE_SECONDS = 60.0  # until it has ended; a full cluster lets it wait
PAUSE_SECONDS = 0.3
TAIL_BYTES = 300


def probes(settings: Settings, factory: JobFactory, gateway: SlurmGateway) -> Iterator[Finding]:
    """Submit one for each kind, and tell how it went."""
    for kind in KIND_NAMES:
        yield _probe(kind, settings, factory, gateway)


def _probe(kind: str, settings: Settings, factory: JobFactory, gateway: SlurmGateway) -> Finding:
    script = render_job_script(kind, settings.of_kind(kind).extractor_command, settings.template_folder, "probe.py")
    name = f"doctor-{secrets.token_hex(4)}"
    comment = f'{COMMENT_START}"{name}"}}'  # the workers read it as they read those of the bridge's jobs
    outputs = [settings.output_folder / f"{name}.{suffix}" for suffix in ("out", "err")]
    job = replace(
        factory.descriptor(kind, {}, comment),
        name="doctor",
        script=script,
        stdout_path=str(outputs[0]),
        stderr_path=str(outputs[1]),
    )
    try:
        return _judged(kind, _run(job, gateway), comment, outputs)
    except BridgeError as error:
        return red(kind, f"a probe cannot be submitted: {error}", f"correct the settings in [{kind}]")
    finally:
        for path in outputs:
            path.unlink(missing_ok=True)


def _run(job: JobDescriptor, gateway: SlurmGateway) -> JobSnapshot | None:
    """How it stands when it has ended, or when its time is over; then it is cancelled."""
    job_id = gateway.submit(job, Deadline.after(RPC_SECONDS))
    deadline = Deadline.after(PROBE_SECONDS)
    while True:
        found = gateway.find(job_id, Deadline.after(RPC_SECONDS))
        if found is None or found.state in FINISHED_STATES:
            return found
        if not deadline.remaining_seconds:
            gateway.cancel(Cancel(found.job_id, found.comment, found.submit_time), Deadline.after(RPC_SECONDS))
            return found
        time.sleep(PAUSE_SECONDS)


def _judged(kind: str, job: JobSnapshot | None, comment: str, outputs: list[Path]) -> Finding:
    check = f"{kind}.extractor_command"
    if job is None:
        return red(check, "the probe is not to be found in the queue", "scontrol show job; does a plugin change jobs?")
    if job.state not in FINISHED_STATES:
        return yellow(check, f"the probe {explain(job)}", "try again when nodes are free")
    if job.comment != comment:
        return red("JobSubmitPlugins", "a plugin has changed the probe's comment", "let it keep comments of this user")
    if job.state != "COMPLETED":
        said = _last_line(outputs[1])
        return red(
            check, f"the probe on {job.nodes} {said or explain(job)}", f"correct {check}, or output_folder there"
        )
    if not outputs[0].exists():
        return red("output_folder", f"what {job.nodes} wrote is not seen here", "mount the same folder here and there")
    return green(check, f"the extractor starts on {job.nodes}, and writes to output_folder")


def _last_line(path: Path) -> str:
    try:
        lines = path.read_bytes()[-TAIL_BYTES:].decode(errors="replace").splitlines()
    except OSError:
        return ""
    return f"says: {lines[-1]}" if lines else ""
