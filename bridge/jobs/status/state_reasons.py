"""Slurm's reasons for a job to wait or to fail, in plain sentences.

Sources: `job_state_reason` of `slurm/slurm.h`, and the resource limits of Slurm's manual. The keys are libslurm's words
for the reasons, and what slurmctld may say in place of these.
"""

import re

from bridge.slurm.states import REQUEUED_AND_HELD

_WAITS = {
    "AccountingPolicy": "waits: a limit of its account or QOS does not let it start",
    "AccountNotAllowed": "cannot start: its account may not use this partition",
    "AssociationJobLimit": "waits: its user has as many jobs in this account as the account allows",
    "AssociationResourceLimit": "waits: its account uses as much of some resource as it may",
    "AssociationTimeLimit": "waits: its account has used up the time it may",
    "BeginTime": "waits for its earliest start time",
    "BurstBufferResources": "waits for room in the burst buffer",
    "BurstBufferStageIn": "waits until its files are in the burst buffer",
    "Cleaning": "waits until Slurm has cleaned up after its last run",
    "Dependency": "waits for the job that it depends on",
    "DependencyNeverSatisfied": "can never run: the job it depends on did not end as it had to; cancel it",
    "FedJobLock": "waits until the clusters of the federation agree which of them runs it",
    "InvalidReason": "waits; Slurm gives a reason that it has no word for",
    "JobArrayTaskLimit": "waits: as many jobs of its array run as may at a time",
    "JobHeldAdmin": "is held by an administrator, who has to release it",
    "JobHeldUser": "is held by its user, who has to release it",
    "JobHoldMaxRequeue": "is held: it was started as often as Slurm tries; remove the cause, and release it",
    "Licenses": "waits for a licence",
    "MaxMemPerLimit": "cannot start: it asks for more memory on a node or for a CPU than MaxMemPerNode or MaxMemPerCPU",
    "MaxPoweredUpNodes": "waits for a node: as many are switched on as may be",
    "MpiPortsBusy": "waits for network ports: other jobs use all that Slurm reserves for MPI",
    "NvidiaImexChannels": "waits for an NVIDIA IMEX channel: other jobs use all",
    "PartitionConfig": "cannot start: it asks for more than its partition has or allows",
    "PartitionInactive": "waits: its partition is inactive; an administrator has to open it",
    "PartitionNodeLimit": "waits: it asks for more nodes than its partition allows, or they are down",
    "PartitionTimeLimit": "cannot start: its time limit is above its partition's",
    "Priority": "waits for jobs of higher priority to start first",
    "Prolog": "waits until the cluster's prolog has prepared its node",
    "QOSJobLimit": "waits: as many jobs of its QOS run as may",
    "QOSNotAllowed": "cannot start: its account or partition may not use its QOS",
    "QOSResourceLimit": "waits: its QOS uses as much of some resource as it may",
    "QOSTimeLimit": "waits: its QOS has used up the time it may",
    "QOSUsageThreshold": "waits: its account has used too much lately for its QOS",
    "ReqNodeNotAvail": "waits: a node that it needs is not available",
    "Reservation": "waits for its reservation to begin",
    "ReservationDeleted": "is held: its reservation was deleted; an administrator has to release it",
    "ReservationInvalid": "cannot start: its reservation is not valid any more",
    "Resources": "waits for free nodes, CPUs or memory",
    # slurmctld's own words
    "Nodes required for job are DOWN": "waits: its nodes are down, drained or reserved for jobs of higher priority",
    "ReqNodeNotAvail, Reserved for maintenance": "waits: a node that it needs is reserved for maintenance",
    REQUEUED_AND_HELD: "is held: it was put back into the queue to wait there; release it",
    "job requeued in special exit state": "is held: it was put back into the queue for its exit code; release it",
    "launch failed requeued held": "is held: its node could not start it; remove the cause, and release it",
    "launch failure limit exceeded requeued held": (
        "is held: its nodes could not start it, as often as Slurm tries; remove the cause, and release it"
    ),
    "user env retrieval failed requeued held": "is held: its node could not load its user's environment; release it",
}

# What is wrong with a job that failed, or keeps one waiting.
_TROUBLES = {
    "BadConstraints": "no node of its partition has what it asks for",
    "BurstBufferOperation": "its burst buffer could not be filled, written out or removed",
    "Constraints": "no node has what it asks for just now",
    "DeadLine": "it cannot end before its deadline",
    "InactiveLimit": "it was inactive for longer than Slurm's InactiveLimit",
    "InvalidAccount": "its user may not charge its account; an administrator has to correct that",
    "InvalidQOS": "its user may not use its QOS; an administrator has to correct that",
    "JobLaunchFailure": (
        "its node could not start it; check that output_folder is there and belongs to the service's user"
    ),
    "NodeDown": "a node that it needs is down",
    "FrontEndDown": "the front end node that it needs is down",
    "NonZeroExitCode": "it ended with an exit code other than 0",
    "OutOfMemory": "it used more memory than it may",
    "PartitionDown": "its partition is down; an administrator has to open it",
    "RaisedSignal": "it was ended by a signal",
    "SchedDefer": "Slurm schedules it in its next round",
    "SystemFailure": "Slurm itself failed; the controller's log says why",
    "TimeLimit": "it reached its time limit",
}

# A limit's name says whose it is, whether for all jobs together (Grp) or for some (Max, Min), of what, and per what.
# Older names end in Limit, and a limit per account or user without another owner is its QOS's.
_LIMIT = re.compile(
    r"(?P<owner>Assoc|QOS|)(?P<kind>Grp|Max|Min)"
    r"(?P<what>BB|Billing|Cpu|CPU|Energy|GRES|Jobs|License|Memory|Mem|Node|SubmitJobs?|Unknown|Wall)(?:Duration)?"
    r"(?P<minutes>(?:Run)?Min(?:ute)?s|)(?:Per(?P<per>Account|Job|Node|User))?(?:Limit|NotSatisfied)?"
)
_RESOURCES = {  # as such, and its minutes
    "BB": ("burst buffer space", "burst buffer minutes"),
    "Billing": ("billing units", "billing minutes"),
    "CPU": ("CPUs", "CPU minutes"),
    "Cpu": ("CPUs", "CPU minutes"),
    "Energy": ("energy", "energy minutes"),
    "GRES": ("generic resources", "minutes of generic resources"),
    "License": ("licences", "licence minutes"),
    "Mem": ("memory", "memory minutes"),
    "Memory": ("memory", "memory minutes"),
    "Node": ("nodes", "node minutes"),
    "Unknown": ("resources of another kind", "minutes of resources of another kind"),
}
_REMEDY = "ask for less, or have an administrator raise the limit"


def explain_waiting(reason: str) -> str | None:
    """Why a job waits, for the reason that Slurm gives; `None` where Slurm 26.05 has no such reason."""
    known = _WAITS.get(reason) or _WAITS.get(_word(reason))
    if known is not None:
        return known
    trouble = explain_trouble(reason)
    return _explain_limit(_word(reason)) if trouble is None else f"waits: {trouble}"


def explain_trouble(reason: str) -> str | None:
    """What went wrong, as a clause, for the reason that Slurm gives; `None` where it is no reason for a failure."""
    return _TROUBLES.get(_word(reason))


def _word(reason: str) -> str:
    """Without the details that Slurm may append: `ReqNodeNotAvail, UnavailableNodes:n1`, `RaisedSignal:11(...)`."""
    return re.split("[,:]", reason)[0]


def _explain_limit(word: str) -> str | None:
    limit = _LIMIT.fullmatch(word)
    if limit is None:
        return None
    owner = "its account" if limit["owner"] == "Assoc" else "its QOS"
    whose = {"Account": "its account", "User": "its user"}.get(limit["per"], owner)  # the jobs that are counted
    if (limit["owner"], limit["kind"], limit["per"]) == ("Assoc", "Max", None):
        whose = "its user"
    may = "it may" if whose == owner else f"{owner} allows"
    match limit["what"], limit["kind"]:
        case "Jobs", _:
            return f"waits: {whose} runs as many jobs as {may}"
        case (("SubmitJob" | "SubmitJobs"), _):
            return f"waits: {whose} has as many jobs waiting and running as {may}"
        case "Wall", "Max":
            return f"cannot start: its time limit is above what {owner} allows a job; {_REMEDY}"
        case "Wall", _:
            return f"waits: {owner} has not enough run time left; an administrator can grant more"
    return _explain_resource_limit(limit, owner, whose, may)


def _explain_resource_limit(limit: re.Match[str], owner: str, whose: str, may: str) -> str:
    resource, minutes = _RESOURCES[limit["what"]]
    match limit["kind"], limit["minutes"], limit["per"]:
        case "Min", _, _:
            return f"cannot start: {owner} requires it to ask for more {resource}"
        case "Max", "", "Job":
            return f"cannot start: it asks for more {resource} than {owner} allows a job; {_REMEDY}"
        case "Max", "", "Node":
            return f"cannot start: it asks for more {resource} than {owner} allows a job on one node; {_REMEDY}"
        case "Max", "Minutes", _:
            return f"cannot start: by its time limit it asks for more {minutes} than {owner} allows a job; {_REMEDY}"
        case "Grp", "Minutes", _:
            return f"waits: {owner} has not enough {minutes} left; an administrator can grant more"
        case _, "", _:
            return f"waits: with it, the running jobs of {whose} would use more {resource} than {may}"
    return f"waits: with it, the running jobs of {whose} would need more {minutes} than {may}"
