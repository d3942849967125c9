"""What a request becomes: a job descriptor. Everything but the request itself is fixed when the service starts."""

from dataclasses import dataclass, field

from bridge.comments import JobComment
from bridge.rendering import render_job_script
from bridge.requests import RunRequest
from bridge.settings import KindSettings, Settings
from bridge.slurm.messages import JobDescriptor


@dataclass(frozen=True, slots=True)
class JobFactory:
    """Makes the descriptors of one kind of job."""

    script: str
    settings: KindSettings
    environment: dict[str, str] = field(repr=False)  # holds the MQTT password
    output_folder: str

    @classmethod
    def for_kind(cls, kind: str, settings: Settings) -> "JobFactory":
        """The factory for `kind` (`parse` or `qaqc`). Raises `jinja2.TemplateError`; see `render_job_script`."""
        kind_settings: KindSettings = getattr(settings, kind)
        return cls(
            script=render_job_script(kind, kind_settings.extractor_command, settings.template_folder),
            settings=kind_settings,
            environment=_common_environment(settings),
            output_folder=str(settings.output_folder),
        )

    def describe(self, request: RunRequest, comment: JobComment) -> JobDescriptor:
        """The job for `request`. `comment` is how it is found again in the queue."""
        return JobDescriptor(
            name=request.kind,
            script=self.script,
            environment={**self.environment, **request.environment()},
            comment=comment.to_json(),
            working_folder=self.output_folder,
            stdout_path=f"{self.output_folder}/%x-%j.out",
            stderr_path=f"{self.output_folder}/%x-%j.err",
            partition=self.settings.partition,
            account=self.settings.account,
            qos=self.settings.qos,
            time_limit_minutes=self.settings.time_limit_minutes,
            memory_mib=self.settings.memory_mib,
            cpus=self.settings.cpus,
            nice=self.settings.nice,
        )


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
    if settings.source_folders:
        environment["EXTRACTOR_FILE_ROOTS"] = ":".join(map(str, settings.source_folders))
    if settings.verbose:
        environment["VERBOSE"] = "true"
    return environment
