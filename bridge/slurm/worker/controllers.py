"""What the cluster's controllers say of themselves, read in a worker through pyslurm and libslurm."""

import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bridge.slurm.message_format import Reply
from bridge.slurm.messages import AskController, ControllerFacts, ControllerPing, Ping, Pinged, RpcLimit
from bridge.slurm.worker.signing import is_plugin_installed

if TYPE_CHECKING:
    from types import ModuleType


class _PingResult(ctypes.Structure):
    """`controller_ping_t` of `slurm/slurm.h`."""

    _fields_ = (
        ("hostname", ctypes.c_char_p),
        ("is_answered", ctypes.c_bool),
        ("latency", ctypes.c_long),
        ("offset", ctypes.c_int),
        ("code", ctypes.c_int),
    )


def facts(pyslurm: "ModuleType", _request: AskController) -> Reply:
    """What the controller is. Raises `pyslurm.RPCError` where it does not answer."""
    config = pyslurm.slurmctld.Config.load()
    return ControllerFacts(
        booted_at=config.slurmctld_boot_time,
        min_job_age_seconds=config.min_job_age,
        has_accounting=config.accounting_storage_type == "accounting_storage/slurmdbd",
        has_tokens="auth/jwt" in config.auth_alt_types and is_plugin_installed(config.plugin_dirs),
        rpc_limit=_rpc_limit(config.slurmctld_parameters or {}),
    )


def _rpc_limit(parameters: Mapping[str, Any]) -> RpcLimit | None:
    """The defaults are those of slurm.conf(5)."""
    if "rl_enable" not in parameters:
        return None
    refill, period_seconds = int(parameters.get("rl_refill_rate", 2)), int(parameters.get("rl_refill_period", 1))
    return RpcLimit(int(parameters.get("rl_bucket_size", 30)), refill / max(1, period_seconds))


def ping(_request: Ping) -> Reply:
    """Whether each controller answers. pyslurm's own `ping_all` says nothing of the others where one does not."""
    library = ctypes.CDLL(None)
    library.ping_all_controllers.restype = ctypes.POINTER(_PingResult)
    results = library.ping_all_controllers()
    pings: list[ControllerPing] = []
    while host := results[len(pings)].hostname:
        pings.append(ControllerPing(host.decode(), results[len(pings)].is_answered))
    library.slurm_xfree(ctypes.byref(results))
    return Pinged(tuple(pings))
