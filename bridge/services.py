"""The parts of a running bridge, put together."""

import logging
from dataclasses import dataclass

from bridge.auth.callers import Verifier
from bridge.auth.slurm_token_cache import WAITERS_MAX
from bridge.auth.verifiers import verifiers_of
from bridge.config.settings import Settings, StartError
from bridge.core.concurrency_limit import CallerShares, ConcurrencyLimit
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError
from bridge.core.key_locks import KeyLocks
from bridge.jobs.failures.automatic import AutomaticRetry, DueJobs
from bridge.jobs.failures.bad_nodes import BadNodes
from bridge.jobs.failures.failures import Failures
from bridge.jobs.failures.policy import RetryPolicy
from bridge.jobs.failures.reruns import FailureRerunner
from bridge.jobs.output.files import JobOutputs
from bridge.jobs.output.masking import Masker
from bridge.jobs.requests.factory import JobFactory
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.idempotency import IdentityHashes
from bridge.jobs.requests.kinds import KIND_NAMES
from bridge.jobs.status.controller_trust import ControllerTrust
from bridge.jobs.status.journal import tell_of_bad_ends
from bridge.jobs.status.ledger import SubmissionLedger
from bridge.jobs.status.look_interval import USUAL_PACE, LookPace
from bridge.jobs.status.lookup import JobLookup
from bridge.jobs.status.past_jobs import CALLERS_MAX, KEPT_SECONDS, PastJobs
from bridge.jobs.status.queue_cache import LOOK_WAITERS_MAX, QueueCache
from bridge.jobs.status.queue_snapshot import REMEMBERED_MAX
from bridge.jobs.status.watched_gateway import WatchedGateway
from bridge.jobs.submission.attempts import AttemptSubmitter
from bridge.jobs.submission.batches import BatchSubmitter
from bridge.jobs.submission.cancellation import JobCanceller, RecentCancellations
from bridge.jobs.submission.chain_recovery import ChainRecovery, OpenChains
from bridge.jobs.submission.chains import ChainSubmitter
from bridge.jobs.submission.key_history import KeyHistory
from bridge.jobs.submission.known_jobs import KnownJobs
from bridge.jobs.submission.pending_limit import PendingLimit
from bridge.jobs.submission.recovery import JobRecovery
from bridge.jobs.submission.retry import JobRetrier
from bridge.jobs.submission.sender import JobSender
from bridge.jobs.submission.submitter import JobSubmitter
from bridge.metrics.gateway import MeasuredGateway
from bridge.metrics.metrics import Metrics
from bridge.metrics.state import BridgeState
from bridge.policy.hosts import HostRules
from bridge.policy.uris import UriRules, is_sqlite
from bridge.slurm.gateway import Gateway

log = logging.getLogger(__name__)

SPARE_THREADS = 4  # for requests that do not wait for Slurm: /health, /ready, refusals
# Of the other threads a quarter may send outputs of jobs: a client that reads slowly holds one all the time.
OUTPUT_SHARE = 4
FACTS_TIMEOUT_SECONDS = 5.0


def thread_count(settings: Settings) -> int:
    """How many threads answer requests: those of the setting `threads`, and one for everything else that may wait."""
    # One caller at a time waits for /ready, one for an identity provider's keys, one renews Slurm's word on a token.
    others = LOOK_WAITERS_MAX + CALLERS_MAX + 2 * WAITERS_MAX + 3
    return settings.threads + settings.max_waiting_clients + others


@dataclass(frozen=True, slots=True)
class Tuning:
    """Times and bounds that are no settings: tests have other ones."""

    pace: LookPace = USUAL_PACE
    remembered_max: int = REMEMBERED_MAX
    accounting_kept_seconds: float = KEPT_SECONDS


USUAL_TUNING = Tuning()


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with."""

    gateway: Gateway
    cache: QueueCache
    key_history: KeyHistory
    recovery: JobRecovery
    submitter: JobSubmitter
    batches: BatchSubmitter
    lookup: JobLookup
    canceller: JobCanceller
    retrier: JobRetrier
    failures: Failures
    rerunner: FailureRerunner
    automatic_retry: AutomaticRetry
    bad_nodes: BadNodes
    outputs: JobOutputs
    request_rules: RequestRules
    metrics: Metrics
    verifiers: tuple[Verifier, ...]  # of tokens; empty where authentication is off
    slurm_limit: ConcurrencyLimit  # of requests that wait for Slurm
    output_limit: ConcurrencyLimit  # of requests for outputs of jobs, which need `slurm_limit` too
    output_shares: CallerShares  # of `output_limit`
    wait_shares: CallerShares  # of requests that may wait for a job to change

    @classmethod
    def of(cls, settings: Settings, gateway: Gateway, secret: bytes, tuning: Tuning = USUAL_TUNING) -> "Services":
        """None of them runs yet. `secret` is for the keyed hashes in comments.

        Raises `SettingsError`, and `jinja2.TemplateError` where a job script template cannot be rendered.
        """
        metrics = Metrics()
        ledger, trust, key_locks = SubmissionLedger(), ControllerTrust(), KeyLocks()
        bad_nodes = BadNodes(settings.bad_node_minutes)
        policy = RetryPolicy({kind: settings.of_kind(kind) for kind in KIND_NAMES}, bad_nodes)
        due_jobs = DueJobs()
        gateway = WatchedGateway(MeasuredGateway(gateway, metrics.registry), trust)
        open_chains = OpenChains(settings.request_timeout_seconds)
        cache = QueueCache(
            gateway,
            ledger,
            trust,
            max_waiting=settings.max_waiting_clients,
            pace=tuning.pace,
            remembered_max=tuning.remembered_max,
            observers=(*metrics.observers, tell_of_bad_ends, open_chains.observe, bad_nodes.observe, due_jobs.observe),
            runs_again=policy.runs_again,
        )
        hashes = IdentityHashes(secret)
        sender = JobSender(gateway, cache, trust, hashes)
        past_jobs = PastJobs(gateway, kept_seconds=tuning.accounting_kept_seconds)
        key_history = KeyHistory(gateway, settings.keys_kept_hours)
        known_jobs = KnownJobs(cache, past_jobs, key_history, hashes)
        chain_recovery = ChainRecovery(gateway, known_jobs, open_chains)
        cancellations = RecentCancellations(trust)
        recovery = JobRecovery(
            gateway, cache, ledger, trust, known_jobs, key_locks, sender, hashes, chain_recovery, cancellations
        )
        open_chains.on_new = cancellations.on_new = recovery.wake
        lookup = JobLookup(cache, past_jobs)
        failures = Failures(cache, lookup)
        automatic_retry = AutomaticRetry(gateway, cache, policy, due_jobs)
        metrics.add_state(BridgeState(metrics.tally, cache, recovery, automatic_retry, gateway))
        factory = JobFactory.of(settings, hashes, bad_nodes.left_out)
        pending_limit = PendingLimit(cache, ledger, settings.max_pending_jobs)
        attempts = AttemptSubmitter(gateway, sender, cache, known_jobs, ledger, trust, recovery)
        chains = ChainSubmitter(
            factory,
            hashes,
            gateway,
            attempts,
            cache,
            known_jobs,
            ledger,
            trust,
            key_locks,
            open_chains,
            settings.qaqc_coalesce_seconds,
        )
        waiting_max = settings.threads - SPARE_THREADS
        outputs_max = max(1, waiting_max // OUTPUT_SHARE)
        clients_max = settings.max_waiting_clients
        return cls(
            gateway=gateway,
            cache=cache,
            key_history=key_history,
            recovery=recovery,
            submitter=JobSubmitter(factory, hashes, attempts, chains, cache, known_jobs, key_locks, pending_limit),
            batches=BatchSubmitter(
                settings.batch, factory, hashes, attempts, chains, cache, known_jobs, key_locks, pending_limit
            ),
            lookup=lookup,
            canceller=JobCanceller(gateway, lookup, ledger, cancellations, policy.note_cancelled),
            retrier=JobRetrier(gateway, lookup, policy.requeue_by_hand, policy.note_asked),
            failures=failures,
            rerunner=FailureRerunner(gateway, cache, failures, policy),
            automatic_retry=automatic_retry,
            bad_nodes=bad_nodes,
            outputs=JobOutputs(settings.output_folder, _masker(settings)),
            request_rules=_request_rules(settings),
            metrics=metrics,
            verifiers=verifiers_of(settings, gateway),
            slurm_limit=ConcurrencyLimit(waiting_max, "wait for Slurm"),
            output_limit=ConcurrencyLimit(outputs_max, "read the output of jobs"),
            # Some readers of outputs are slow for good; those that wait are each woken by a change.
            output_shares=CallerShares(max(1, outputs_max // 2), "read the output of jobs"),
            wait_shares=CallerShares(clients_max - clients_max // 8, "wait for a job to change"),
        )

    def start(self) -> None:
        """Begin to look after the jobs; the gateway has been started."""
        self.cache.start()
        self.key_history.start()
        self.recovery.start()
        self.automatic_retry.start()

    def close(self) -> None:
        """Stop."""
        self.cache.close()
        self.key_history.close()
        self.recovery.close()
        self.automatic_retry.close()


def _request_rules(settings: Settings) -> RequestRules:
    return RequestRules(
        settings.parsers,
        targets=UriRules(
            frozenset(scheme for scheme in settings.target_schemes if settings.target_folders or not is_sqlite(scheme)),
            HostRules.of(settings.target_hosts, settings.denied_hosts),
            settings.target_folders,
        ),
        sources=UriRules(
            settings.source_schemes,
            HostRules.of(settings.source_hosts, settings.denied_hosts),
            settings.source_folders,
        ),
        items_max=settings.batch.max_items,
    )


def _masker(settings: Settings) -> Masker:
    return Masker([settings.mqtt_password.get_secret_value()] if settings.mqtt_password else [])


def require_cluster_tokens(gateway: Gateway) -> None:
    """Raise `SettingsError` where the controller says that it knows no tokens. One that is away is asked later."""
    try:
        facts = gateway.controller(Deadline.after(FACTS_TIMEOUT_SECONDS))
    except BridgeError as error:
        log.warning("cannot find out whether the cluster knows tokens", extra={"reason": str(error)})
        return
    if not facts.has_tokens:
        raise StartError(
            "slurm_tokens: the cluster knows no tokens: set AuthAltTypes=auth/jwt and AuthAltParameters=jwt_key=… in "
            "slurm.conf and install Slurm's plugin auth_jwt.so here, or leave slurm_tokens out"
        )
