"""Checks of the cluster, and of the settings against it. None of them submits a job."""

import os
import time

from bridge.config.settings import Settings
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, ControllerUnreachableError, TooManyRequestsError
from bridge.doctor.findings import Finding, Findings, green, red, yellow
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.conf_path import conf_path
from bridge.slurm.errors import SETTING_AT_FAULT
from bridge.slurm.messages import ClusterFacts

RPC_SECONDS = 12.0  # longer than libslurm's own patience (MessageTimeout, 10 s)
SKEW_YELLOW_SECONDS, SKEW_RED_SECONDS = 5, 60  # munge and tokens refuse beyond some minutes
_SHOW = {"partition": "sinfo --summarize", "account": "sacctmgr show associations", "qos": "sacctmgr show qos"}


def conf_check(settings: Settings) -> Finding:
    """Whether slurm.conf can be read."""
    path = conf_path(settings.slurm_conf_path)
    if os.access(path, os.R_OK):
        return green("slurm_conf_path", f"{path} can be read")
    text = f"{path} cannot be read"
    if settings.slurm_conf_path is not None:
        return red("slurm_conf_path", text, "name the cluster's slurm.conf in slurm_conf_path, or correct its mode")
    return yellow("slurm_conf_path", f"{text}; libslurm looks for the cluster by itself", "set slurm_conf_path")


def controllers_check(gateway: SlurmGateway) -> Findings:
    """Each controller."""
    try:
        controllers = gateway.ping(Deadline.after(RPC_SECONDS))
    except BridgeError as error:
        yield _no_controller(str(error))
        return
    if not any(controller.is_responding for controller in controllers):
        yield _no_controller(f"{', '.join(controller.host for controller in controllers)} do not answer")
        return
    for controller in controllers:
        if controller.is_responding:
            yield green("controller", f"{controller.host} answers")
        else:
            yield yellow("controller", f"{controller.host} does not answer", f"start slurmctld on {controller.host}")


def _no_controller(text: str) -> Finding:
    return red("controller", text, "start slurmctld; scontrol ping, and journalctl --unit slurmctld on its machine")


def cluster_checks(facts: ClusterFacts, settings: Settings) -> Findings:
    """What the controller says of itself, beside what is here."""
    yield _release(facts)
    yield _clock(facts)
    path = conf_path(settings.slurm_conf_path)
    if path.exists() and path.stat().st_mtime > facts.booted_at + 1:
        yield yellow("slurm_conf_path", f"{path} was changed after the controller read it", "scontrol reconfigure")
    if facts.submit_plugins:
        names = ", ".join(facts.submit_plugins)
        yield yellow(
            "JobSubmitPlugins", f"{names} may change jobs and comments", "doctor --probe looks whether it does"
        )


def _release(facts: ClusterFacts) -> Finding:
    ours, theirs = (".".join(release.split(".")[:2]) for release in (facts.pyslurm_release, facts.slurm_release))
    text = f"pyslurm {facts.pyslurm_release}, Slurm {facts.slurm_release}"
    if ours == theirs:
        return green("pyslurm", text)
    return yellow("pyslurm", f"{text}: not of one release", f"pip install 'pyslurm=={theirs}.*', where there is one")


def _clock(facts: ClusterFacts) -> Finding:
    skew_seconds = abs(time.time() - facts.clock)
    text = f"the clocks here and of the controller differ by {skew_seconds:.0f} s"
    if skew_seconds < SKEW_YELLOW_SECONDS:
        return green("clock", text)
    make = red if skew_seconds > SKEW_RED_SECONDS else yellow
    return make("clock", text, "let NTP set both: timedatectl set-ntp true")


def accounting_checks(facts: ClusterFacts, gateway: SlurmGateway) -> Findings:
    """Whether jobs that the controller has forgotten can be found."""
    try:
        if not gateway.ping_accounting(Deadline.after(RPC_SECONDS)):
            text = "the cluster has no accounting: jobs that the controller has forgotten are 404"
            yield yellow("accounting", text, "AccountingStorageType=accounting_storage/slurmdbd in slurm.conf")
            return
    except BridgeError as error:
        yield red("accounting", f"slurmdbd does not answer: {error}", "start slurmdbd, and its database")
        return
    yield green("accounting", "slurmdbd answers")
    if "job_comment" in facts.accounting_flags:
        yield green("AccountingStoreFlags", "it has job_comment")
    else:
        text = "without job_comment the bridge does not find its jobs in accounting"
        yield red("AccountingStoreFlags", text, "AccountingStoreFlags=job_comment in slurm.conf, scontrol reconfigure")
    if "job_env" in facts.accounting_flags:
        yield yellow("AccountingStoreFlags", "job_env stores jobs' passwords in accounting", "take job_env out")


def kind_check(kind: str, factory: JobFactory, gateway: SlurmGateway) -> Finding:
    """Whether Slurm would accept a job of the kind, by its own test of a submission."""
    try:
        gateway.try_submission(factory.descriptor(kind, {}, ""), Deadline.after(RPC_SECONDS))
    except TooManyRequestsError as error:
        return yellow(kind, f"Slurm takes no such job for now: {error.slurm_message}", "scontrol show partition; sinfo")
    except ControllerUnreachableError as error:
        return red(kind, str(error), "the controller comes first")
    except BridgeError as error:
        return _refused(kind, error)
    return green(kind, "Slurm would accept a job of this kind")


def _refused(kind: str, error: BridgeError) -> Finding:
    words = SETTING_AT_FAULT.get(error.slurm_code)
    if words is None:
        return red(kind, f"Slurm would refuse a job: {error.slurm_message}", f"correct the settings in [{kind}]")
    settings = [f"{kind}.{name}" for name in words.replace("`", "").split(" or ")]
    show = _SHOW.get(words)
    fix = f"correct {' or '.join(settings)}" + (f": {show} lists what there is" if show else "")
    return red(settings[0], f"Slurm would refuse a job: {error.slurm_message}", fix)


def kinds_checks(factory: JobFactory, gateway: SlurmGateway) -> Findings:
    """Each kind."""
    for kind in KIND_NAMES:
        yield kind_check(kind, factory, gateway)
