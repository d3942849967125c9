"""What a request becomes: a job descriptor. Everything but the request itself is fixed when the service starts."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from msgspec.structs import replace

from bridge.config.batches import BatchSettings
from bridge.config.kinds import KindSettings
from bridge.config.settings import Settings
from bridge.jobs.requests.array_things import things_text
from bridge.jobs.requests.batches import Lane, array_environment
from bridge.jobs.requests.idempotency import IdentityHashes, RequestIdentity
from bridge.jobs.requests.kinds import KIND_NAMES, JobRequest
from bridge.jobs.requests.metadata import HELD_SECONDS, JobMetadata
from bridge.jobs.requests.script import render_job_script
from bridge.slurm.messages import JobDescriptor
from bridge.slurm.singletons import singleton_name


@dataclass(frozen=True, slots=True)
class _KindPart:
    """What all jobs of a kind share."""

    script: str
    settings: KindSettings

    @property
    def attempts(self) -> int | None:
        """How often a job may run; `None`: once."""
        return self.settings.retry_attempts if self.settings.retry_causes else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job that follows others stands; each field is one of `JobMetadata`."""

    after: str
    until: int | None = None
    instead: str | None = None


LeftOut = Callable[[str, str | None], tuple[str, ...]]  # the nodes that a job of a kind in a lane does without


@dataclass(frozen=True, slots=True)
class JobFactory:
    """Makes the descriptors of jobs of every kind."""

    kinds: Mapping[str, _KindPart]
    batches: BatchSettings
    hashes: IdentityHashes
    environment: Mapping[str, str] = field(repr=False)  # holds the MQTT password
    output_folder: str
    order_per_thing: bool
    left_out: LeftOut

    @classmethod
    def of(cls, settings: Settings, hashes: IdentityHashes, left_out: LeftOut = lambda _kind, _lane: ()) -> Self:
        """Raises `jinja2.TemplateError`; see `render_job_script`."""
        return cls(
            {kind: _kind_part(kind, settings) for kind in KIND_NAMES},
            settings.batch,
            hashes,
            _common_environment(settings),
            str(settings.output_folder),
            settings.order_per_thing,
            left_out,
        )

    def describe(
        self, request: JobRequest, identity: RequestIdentity, request_id: str
    ) -> tuple[JobDescriptor, JobMetadata]:
        """The job for `request`, and the metadata in its comment, by which it is found again in the queue."""
        metadata = self._metadata(request, identity, request_id)
        return self._placed(
            self.descriptor(request.kind, request.environment(), metadata.to_json()), metadata
        ), metadata

    def describe_array(
        self,
        items: Sequence[JobRequest],
        lane: Lane,
        running_max: int | None,
        identity: RequestIdentity,
        request_id: str,
        *,
        is_followed: bool = False,
    ) -> tuple[JobDescriptor, JobMetadata]:
        """The array that has an element for each of `items`, which are of one kind; items of one thing come together.

        `running_max` elements may run at once. `is_followed`: a job that follows some of them is to come.
        """
        things = things_text([item.thing_uuid for item in items])
        metadata = replace(
            self._metadata(items[0], identity, request_id),
            things=things,
            lane=None if lane == "live" else lane,
            qaqc=is_followed,
        )
        return self._placed(self._array(dict(enumerate(items)), metadata, running_max), metadata), metadata

    def describe_follow_up(
        self,
        follow_ups: Mapping[int, JobRequest],
        first: JobMetadata,
        identity: RequestIdentity,
        place: Place,
        indices: Sequence[int] | None = None,
        running_max: int | None = None,
    ) -> tuple[JobDescriptor, JobMetadata]:
        """The job that follows the one with metadata `first`; of an array, elements with these indices.

        `follow_ups` has what each is to do, by its index; that of a job that is no array is 0.
        """
        kind = next(iter(follow_ups.values())).kind
        metadata = replace(
            first,
            kind=kind,
            key=identity.key,
            digest=identity.digest,
            tag=self.hashes.new_tag(identity.key, identity.digest),
            attempts=self.kinds[kind].attempts,
            qaqc=False,
            after=place.after,
            until=place.until,
            instead=place.instead,
        )
        if indices is None:
            job = self.descriptor(metadata.kind, follow_ups[0].environment(), metadata.to_json())
        else:
            job = self._array({index: follow_ups[index] for index in indices}, metadata, running_max)
        job = replace(self._placed(job, metadata), dependency=metadata.dependency, begin_time=metadata.until or None)
        return job, metadata

    def _metadata(self, request: JobRequest, identity: RequestIdentity, request_id: str) -> JobMetadata:
        return JobMetadata(
            request.kind,
            request.thing_uuid,
            request_id,
            identity.key,
            identity.digest,
            by=identity.caller,
            tag=self.hashes.new_tag(identity.key, identity.digest),
            attempts=self.kinds[request.kind].attempts,
            qaqc=request.is_followed,
        )

    def _placed(self, job: JobDescriptor, metadata: JobMetadata) -> JobDescriptor:
        """With its place among other jobs: where it is to be followed, and where those of a thing keep their order."""
        if metadata.qaqc:
            job = replace(job, begin_time=int(time.time()) + HELD_SECONDS)
        if self.order_per_thing:
            job = replace(job, name=singleton_name(metadata.thing_uuid), is_singleton=True)
        return job

    def _array(self, items: Mapping[int, JobRequest], metadata: JobMetadata, running_max: int | None) -> JobDescriptor:
        descriptor = self.descriptor(metadata.kind, array_environment(items), metadata.to_json())
        stem = f"{self.output_folder}/{metadata.kind}-%A_%a"
        changes = {
            "stdout_path": f"{stem}.out",
            "stderr_path": f"{stem}.err",
            "indices": tuple(items),
            "running_max": running_max,
        }
        if metadata.lane == "bulk":
            changes |= self._bulk_changes(metadata.kind, descriptor)
        return replace(descriptor, **changes)

    def _bulk_changes(self, kind: str, descriptor: JobDescriptor) -> dict[str, Any]:
        return {
            "partition": self.batches.bulk_partition or descriptor.partition,
            "qos": self.batches.bulk_qos or descriptor.qos,
            "nice": self.batches.bulk_nice,
            "excluded_nodes": self.left_out(kind, "bulk"),
        }

    def descriptor(self, kind: str, environment: Mapping[str, str], comment: str) -> JobDescriptor:
        """A job of this kind, with these variables beside those of every job."""
        part = self.kinds[kind]
        return JobDescriptor(
            name=kind,
            script=part.script,
            environment={**self.environment, **environment},
            comment=comment,
            working_folder=self.output_folder,
            # The kind itself, not %x: the job may be renamed.
            stdout_path=f"{self.output_folder}/{kind}-%j.out",
            stderr_path=f"{self.output_folder}/{kind}-%j.err",
            partition=part.settings.partition,
            account=part.settings.account,
            qos=part.settings.qos,
            time_limit_minutes=part.settings.time_limit_minutes or None,
            memory_mib=part.settings.memory_mib,
            cpus=part.settings.cpus,
            nice=part.settings.nice,
            excluded_nodes=self.left_out(kind, None),
        )


def _kind_part(kind: str, settings: Settings) -> _KindPart:
    kind_settings = settings.of_kind(kind)
    return _KindPart(render_job_script(kind, kind_settings.extractor_command, settings.template_folder), kind_settings)


def _common_environment(settings: Settings) -> dict[str, str]:
    environment = {
        **settings.job_environment,
        "SLURM_UMASK": "0077",  # slurmd creates the output files with it: they may hold what an extractor prints
        "MQTT_BROKER": settings.mqtt_broker or "None",  # the extractor's own word for "no MQTT"
    }
    if settings.mqtt_broker and settings.mqtt_user and settings.mqtt_password:
        environment["MQTT_USER"] = settings.mqtt_user
        environment["MQTT_PASSWORD"] = settings.mqtt_password.get_secret_value()
    # The bridge checks what a URI says; these are for the extractor, which sees where it leads.
    environment["EXTRACTOR_DENIED_HOSTS"] = " ".join(sorted(settings.denied_hosts))
    if settings.source_hosts is not None:
        environment["EXTRACTOR_SOURCE_HOSTS"] = " ".join(sorted(settings.source_hosts))
    if settings.target_hosts is not None:
        environment["EXTRACTOR_TARGET_HOSTS"] = " ".join(sorted(settings.target_hosts))
    # Always there: without it, as on the command line, an extractor opens any file.
    environment["EXTRACTOR_SOURCE_MAX_BYTES"] = str(settings.source_max_mib * 2**20)
    environment["EXTRACTOR_SOURCE_MAX_SECONDS"] = str(settings.source_max_minutes * 60)
    environment["EXTRACTOR_TARGET_FOLDERS"] = ":".join(map(str, settings.target_folders))
    if settings.source_folders:
        environment["EXTRACTOR_FILE_ROOTS"] = ":".join(map(str, settings.source_folders))
    if settings.verbose:
        environment["VERBOSE"] = "true"
    return environment
