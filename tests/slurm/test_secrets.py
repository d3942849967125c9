"""No secret is seen where it must not be: in Slurm, in the service's log and answers, by other users of the machine."""

import http.client
import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.accounting import running_accounting
from tests.support.bridge_process import Bridge, owned_folder, running_bridge, service_environment
from tests.support.canaries import Canaries, spellings
from tests.support.private_slurm import PrivateSlurm
from tests.support.waiting import wait_until

# Prints all it was given, as some extractors do, and more than that.
STAND_IN = """
import os, sys, time
from pathlib import Path
given = Path("/proc/self/environ").read_text(errors="replace")
for stream in (sys.stdout, sys.stderr):
    print(sys.argv, dict(os.environ), given, sep="\\n", file=stream, flush=True)
for word in sys.argv:
    match word.removeprefix("--parser="):
        case "Fail": raise SystemExit(3)
        case "Stay": time.sleep(30)
"""
READABLE_PLACES = ("/tmp", "/work", "/run", "/var", "/home", "/dev/shm", "/etc", "/root")

Places = dict[str, list[bytes]]


@pytest.fixture(scope="module")
def slurm(shared_folder: Path) -> Iterator[PrivateSlurm]:
    folder = shared_folder / "slurm"
    folder.mkdir()
    verbose = {"SlurmctldDebug": "debug", "SlurmdDebug": "debug"}
    with (
        running_accounting(folder) as accounting,
        PrivateSlurm(folder, overrides={**accounting, **verbose, "MessageTimeout": "2"}) as slurm,
    ):
        yield slurm


def service_of(slurm: PrivateSlurm, folder: Path, canaries: Canaries) -> dict[str, str]:
    """The environment of a service that has all the secrets there are."""
    folder.mkdir()
    stand_in = folder / "extractor.py"
    stand_in.write_text(STAND_IN)
    secret = owned_folder(folder / "secrets") / "digest"
    secret.touch(mode=0o600)
    secret.write_text(canaries.digest_secret)
    subprocess.run(["chown", "sontsm:", secret], check=True)
    more = {
        **canaries.mqtt,
        "BRIDGE_DIGEST_SECRET_PATH": str(secret),
        "BRIDGE_REQUEST_TIMEOUT_SECONDS": "4",
        "BRIDGE_QAQC__PARTITION": "nowhere",
        "VERBOSE": "true",
    }
    return service_environment(slurm, folder, ["/usr/bin/python3", str(stand_in)], **more)


class Client:
    """Sends credentials with every request, and keeps all answers as they came."""

    def __init__(self, bridge: Bridge, canaries: Canaries) -> None:
        self._address = bridge.url.removeprefix("http://")
        self._headers = canaries.headers
        self.answers: list[bytes] = []

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes]:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(self._address, timeout=60)) as connection:
            connection.request(method, path, data, {"Content-Type": "application/json", **self._headers, **named})
            answer = connection.getresponse()
            content = answer.read()
        self.answers.append(str(answer.headers).encode() + content)
        return answer.status, content

    def submit(self, canaries: Canaries, parser: str) -> str:
        status, content = self.ask("POST", "/extractor/run", {**canaries.body, "parser": parser})
        assert status == 202, content
        return str(json.loads(content)["job_id"])


def look_at(slurm: PrivateSlurm, bridge: Bridge, client: Client, job_ids: list[str], canaries: Canaries) -> Places:
    """All that users of the cluster, its admins and clients of the service get to see, while the last job runs."""
    bridge.wait_for(job_ids[-1], lambda job: job["state"] == "RUNNING")
    output = f"/jobs/{job_ids[-1]}/stdout"
    wait_until(lambda: b"MQTT" in client.ask("GET", output)[1], "the job has printed")
    processes = Path("/proc").glob("[0-9]*/cmdline")
    places = {
        "command lines": [content for path in processes if (content := read_if_there(path))],
        "readable files": [read_as_nobody(canaries)],
    }
    for job_id in job_ids[:-1]:
        bridge.wait_until_finished(job_id)
    for job_id in job_ids:
        for path in ("", "/stdout", "/stderr"):
            client.ask("GET", f"/jobs/{job_id}{path}")
    for path in ("/jobs", "/ready", "/health", "/metrics", "/"):
        client.ask("GET", path)
    client.ask("POST", "/jobs/query", {"ids": job_ids})
    fields = ",".join(slurm.run("sacct", "--helpformat").split())
    wait_until(lambda: job_ids[0] in slurm.run("sacct", "--noheader", "--format=JobID"), "accounting has the jobs")

    def said(*commands: str) -> list[bytes]:
        return [slurm.run(*command.split()).encode() for command in commands]

    return {
        **places,
        "squeue": said("squeue --states=all --format=%all", "squeue --states=all --Format=Name:999,Comment:999"),
        "scontrol": said("scontrol show job -d", "scontrol show job -dd", "scontrol show step", "sdiag"),
        "scripts": said(*(f"scontrol write batch_script {job_id} -" for job_id in job_ids)),
        "sacct": said(
            f"sacct --parsable2 --format={fields}",
            *(f"sacct --jobs={job_id} {kind}" for job_id in job_ids for kind in ("--batch-script", "--env-vars")),
        ),
        "logs of Slurm": [path.read_bytes() for path in slurm.folder.glob("*.log")],
        "log of the service": [bridge.log.encode()],
        "answers": client.answers,
    }


def read_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def read_as_nobody(canaries: Canaries) -> bytes:
    """The lines with secrets in all files, also those of processes, that any user of the machine can read."""
    patterns = b"\n".join(spelling for token in vars(canaries).values() for spelling in spellings(token))
    command = "exec grep --text --no-messages --recursive --devices=skip --fixed-strings --file=- "
    command += f"{' '.join(READABLE_PLACES)} /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/task/*/environ"
    done = subprocess.run(
        ["sh", "-c", command],
        input=patterns,
        user="nobody",
        group="nogroup",
        extra_groups=[],
        capture_output=True,
        check=False,
    )
    return done.stdout


def provoke_every_refusal(slurm: PrivateSlurm, client: Client, canaries: Canaries, finished: str) -> set[int]:
    """The status codes of all sorts of requests that cannot be fulfilled, each with secrets in it."""
    good, secret = canaries.body, canaries.target_password
    client.ask("POST", "/extractor/run", good, Idempotency_Key="key")
    asked = [
        client.ask("POST", "/extractor/run", json.dumps(good)[:-1].encode()),
        client.ask("POST", "/extractor/run", [good]),
        client.ask("POST", "/extractor/run", good, Content_Type=f"text/plain; x={secret}"),
        client.ask("POST", "/extractor/run", {**good, "target": good["target"] + "x" * 70_000}),
        *(client.ask("POST", "/extractor/run", {**good, name: f"{secret} {value}"}) for name, value in good.items()),
        *(client.ask("POST", "/extractor/run", {**good, name: [secret]}) for name in good),
        client.ask("POST", "/extractor/run", {**good, "target": f"postgresql://u:{secret}@169.254.169.254/d"}),
        client.ask("POST", "/extractor/run", {**good, "target": f"postgresql://u:{secret}@h:port/d"}),
        client.ask("POST", "/extractor/run", {**good, "source": f"https://h/?{secret}\r\nX: y"}),
        client.ask("POST", "/extractor/run", {**good, "source": f"ftp://u:{secret}@h/?{secret}"}),
        client.ask("POST", "/extractor/run", {**good, "parser": "Other"}, Idempotency_Key="key"),
        client.ask("POST", "/extractor/run", good, Idempotency_Key=f"no key {secret}"),
        client.ask("GET", f"/jobs?cursor={secret}&limit={secret}&state={secret}&since={secret}"),
        client.ask("POST", "/jobs/query", {"ids": [secret], "x": secret}),
        client.ask("GET", f"/jobs/{finished}/stdout?tail={secret}"),
        client.ask("GET", f"/jobs/{finished}/stdout", Range="bytes=999999999-"),
        client.ask("POST", "/qaqc/run", {"target": good["target"], "thing_uuid": good["thing_uuid"]}),
        client.ask("GET", "/extractor/run"),
        client.ask("DELETE", f"/jobs/{finished}"),
        client.ask("GET", f"/nothing?{secret}"),
    ]
    slurm.pause_controller()
    try:
        asked.append(client.ask("POST", "/extractor/run", good))
    finally:
        slurm.resume_controller()
    return {status for status, _ in asked}


def test_no_secret_is_seen(slurm: PrivateSlurm, shared_folder: Path) -> None:
    canaries = Canaries()
    environment = service_of(slurm, shared_folder / "usual", canaries)
    with running_bridge(shared_folder / "usual", environment) as bridge:
        client = Client(bridge, canaries)
        job_ids = [client.submit(canaries, parser) for parser in ("Succeed", "Fail", "Stay")]
        bridge.wait_until_finished(job_ids[0])
        refusals = provoke_every_refusal(slurm, client, canaries, job_ids[0])
        assert refusals >= {400, 404, 405, 409, 413, 415, 416, 422, 502, 503}
        client.submit(canaries, "Succeed")  # when the controller goes on
        job_ids.append(client.submit(canaries, "Stay"))
        places = look_at(slurm, bridge, client, job_ids, canaries)
    outputs = list((shared_folder / "usual" / "output").iterdir())
    assert {path.stat().st_mode & 0o777 for path in outputs} == {0o600}
    assert canaries.found_in({"output": [path.read_bytes() for path in outputs]}) == set()
    assert all(b"".join(texts) != b"" for place, texts in places.items() if place != "readable files")
    assert canaries.found_in(places) == set()


def test_carelessness_would_be_seen(slurm: PrivateSlurm, shared_folder: Path) -> None:
    """The same look finds each secret where the service does nothing to keep it."""
    canaries = Canaries()
    folder = shared_folder / "careless"
    environment = service_of(slurm, folder, canaries)
    with running_bridge(folder, environment, program="tests.support.careless_service") as bridge:
        client = Client(bridge, canaries)
        job_ids = [client.submit(canaries, parser) for parser in ("Succeed", "Stay")]
        places = look_at(slurm, bridge, client, job_ids, canaries)
    found = canaries.found_in(places)
    for place in ("squeue", "scontrol", "scripts", "sacct", "command lines", "readable files", "answers"):
        assert f"{place}: target_password" in found, place
    outputs = [path.read_bytes() for path in (folder / "output").iterdir()]
    assert len(canaries.found_in({"output": outputs})) == 4
    for place in ("answers: mqtt_password", "answers: source_signature", "log of the service: bearer_token"):
        assert place in found
