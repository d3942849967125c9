"""All checks, each once, in an order in which the first fault is the cause of the next ones."""

import logging
from collections.abc import Iterator

from jinja2 import TemplateError

from bridge.config.settings import Settings
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.doctor.findings import Finding, Findings, Level, green, red
from bridge.doctor.local_checks import local_checks, write_check
from bridge.doctor.network_checks import mqtt_check
from bridge.doctor.probe import probes
from bridge.doctor.slurm_checks import (
    RPC_SECONDS,
    accounting_checks,
    cluster_checks,
    conf_check,
    controllers_check,
    kinds_checks,
)
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.slurm.client.slurm_gateway import SlurmGateway
from bridge.slurm.errors import WorkerUnavailableError

log = logging.getLogger(__name__)


def examine(settings: Settings, *, is_probing: bool) -> Iterator[Finding]:
    """What each check finds, as soon as it does. With `is_probing` a job of each kind runs, too."""
    yield from local_checks(settings)
    if settings.output_folder.is_dir():
        yield write_check(settings.output_folder)
    yield mqtt_check(settings)
    yield conf_check(settings)
    gateway = SlurmGateway(slurm_conf_path=settings.slurm_conf_path, workers=1)
    try:
        gateway.start()
        yield green("pyslurm", "can be loaded, and finds a cluster")
        yield from _of_the_cluster(settings, gateway, is_probing)
    except WorkerUnavailableError as error:
        fix = "install the pyslurm of the cluster's release (docs/operators.md), and name its slurm.conf"
        yield red("pyslurm", str(error), fix)
    finally:
        gateway.close()


def _of_the_cluster(settings: Settings, gateway: SlurmGateway, is_probing: bool) -> Findings:
    controllers = list(controllers_check(gateway))
    yield from controllers
    if any(finding.level is Level.RED for finding in controllers):
        return
    try:
        facts = gateway.cluster(Deadline.after(RPC_SECONDS))
    except BridgeError as error:
        yield red("controller", str(error), "try again; sdiag says whether the controller is overloaded")
        return
    yield from cluster_checks(facts, settings)
    yield from accounting_checks(facts, gateway)
    try:
        factory = JobFactory.of(settings, IdentityHashes(b""))
    except (TemplateError, UnicodeDecodeError):  # a finding above
        return
    yield from kinds_checks(factory, gateway)
    if is_probing:
        yield from probes(settings, factory, gateway)


def warn_at_the_start(settings: Settings) -> None:
    """Log what the quick checks find to be wrong; what keeps the service from starting is told by that itself."""
    for finding in local_checks(settings):
        if finding.level is Level.RED:
            log.warning("a check failed", extra={"check": finding.check, "detail": finding.text, "fix": finding.fix})
