"""Who may call what: every route of the running service, with every sort of credentials."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import falcon.inspect
import pytest

from bridge.auth.token_file import TokenFile
from bridge.core.scopes import Scope
from bridge.http.app import create_app
from bridge.services import Services
from tests.support.bridge_process import Answer, Bridge, owned_folder, running_bridge, service_environment
from tests.support.bridge_tokens import create_token, token_command
from tests.support.memory_gateway import MemoryGateway
from tests.support.private_slurm import PrivateSlurm
from tests.support.samples import PARSE_BODY, QAQC_BODY, settings
from tests.support.waiting import wait_until

REALM = 'Bearer realm="tsm-slurm-bridge"'
BAD_TOKEN = f'{REALM}, error="invalid_token"'


@dataclass(frozen=True)
class Route:
    """What a route asks for, and what it answers where that is there; `path` speaks of a job that has ended."""

    method: str
    path: str
    scope: Scope | None  # None: nothing
    status: int
    body: Any = None
    query: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


ROUTES = (
    Route("POST", "/extractor/run", Scope.SUBMIT, 202, PARSE_BODY),
    Route("POST", "/qaqc/run", Scope.SUBMIT, 202, QAQC_BODY),
    Route("POST", "/extractor/batch", Scope.SUBMIT, 202, {"items": [PARSE_BODY]}),
    Route("POST", "/qaqc/batch", Scope.SUBMIT, 202, {"items": [QAQC_BODY]}),
    Route("GET", "/jobs", Scope.READ, 200),
    Route("HEAD", "/jobs", Scope.READ, 200),
    Route("POST", "/jobs/query", Scope.READ, 200, {"ids": ["1"]}),
    Route("POST", "/jobs/cancel", Scope.CANCEL, 200, {"ids": ["1"]}),
    Route("POST", "/jobs/{job_id}/retry", Scope.SUBMIT, 422, query="?the-job-is-still-needed"),
    Route("GET", "/failures", Scope.READ, 200),
    Route("HEAD", "/failures", Scope.READ, 200),
    Route(
        "POST", "/failures/retry", Scope.SUBMIT, 202, {"filter": {"cause": "other", "until": "2026-01-01T00:00:00Z"}}
    ),
    Route("GET", "/jobs/{job_id}", Scope.READ, 200),
    Route("HEAD", "/jobs/{job_id}", Scope.READ, 200),
    Route("DELETE", "/jobs/{job_id}", Scope.CANCEL, 409),
    Route("GET", "/jobs/{job_id}/stdout", Scope.READ, 200),
    Route("HEAD", "/jobs/{job_id}/stdout", Scope.READ, 200),
    Route("GET", "/jobs/{job_id}/stderr", Scope.READ, 200),
    Route("HEAD", "/jobs/{job_id}/stderr", Scope.READ, 200),
    Route("GET", "/history", Scope.READ, 200),
    Route("HEAD", "/history", Scope.READ, 200),
    Route("GET", "/whoami", Scope.READ, 200),
    Route("HEAD", "/whoami", Scope.READ, 200),
    Route("GET", "/metrics", Scope.METRICS, 200),
    Route("HEAD", "/metrics", Scope.METRICS, 200),
    Route("GET", "/health", None, 200),
    Route("HEAD", "/health", None, 200),
    Route("GET", "/ready", None, 200),
    Route("HEAD", "/ready", None, 200),
    Route("GET", "/openapi.json", None, 200),
    Route("HEAD", "/openapi.json", None, 200),
    Route("GET", "/docs", None, 200),
    Route("HEAD", "/docs", None, 200),
    Route("GET", "/", None, 200),
    Route("HEAD", "/", None, 200),
    Route("GET", "/page/{name}", None, 200),
    Route("HEAD", "/page/{name}", None, 200),
)
PROTECTED = [pytest.param(route, id=route.name) for route in ROUTES if route.scope is not None]
PUBLIC = [pytest.param(route, id=route.name) for route in ROUTES if route.scope is None]


@dataclass(frozen=True)
class Credentials:
    """What a client sends, and how it is refused.

    `{…}` in a header stands for a token of the fixture `tokens`, `{lacking}` for one with every scope but the route's.
    """

    name: str
    headers: Mapping[str, str] = field(default_factory=dict)
    status: int = 401
    problem: str = "unauthenticated"
    challenge: str = BAD_TOKEN


REFUSED = (
    Credentials("no-token", challenge=REALM),
    Credentials("no-scheme", {"Authorization": "{all}"}, challenge=REALM),
    Credentials("scheme-alone", {"Authorization": "Bearer"}, challenge=REALM),
    Credentials("basic", {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="}, challenge=REALM),
    Credentials("two-tokens", {"Authorization": "Bearer {all}, Bearer {all}"}),
    Credentials("two-headers", {"Authorization": "Bearer {all}", "X-SLURM-USER-TOKEN": "{all}"}),
    Credentials("unknown-sort", {"Authorization": "Bearer nonsense"}),
    Credentials("unknown-token", {"Authorization": "Bearer tsb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
    Credentials("expired", {"Authorization": "Bearer {expired}"}),
    Credentials("revoked", {"Authorization": "Bearer {revoked}"}),
    Credentials(
        "wrong-scope",
        {"Authorization": "Bearer {lacking}"},
        403,
        "forbidden",
        f'{REALM}, error="insufficient_scope", scope="{{scope}}"',
    ),
)
ACCEPTED = (
    Credentials("right-scope", {"Authorization": "Bearer {only}"}),
    Credentials("all-scopes", {"Authorization": "bearer {all}"}),
)


def by_name(credentials: tuple[Credentials, ...]) -> list[Any]:
    return [pytest.param(each, id=each.name) for each in credentials]


def headers_of(credentials: Credentials, tokens: Mapping[str, str], scope: Scope | None) -> dict[str, str]:
    known = {**tokens, "lacking": tokens[f"not-{scope or Scope.READ}"], "only": tokens[scope or Scope.READ]}
    return {name: text.format(**known) for name, text in credentials.headers.items()}


@pytest.fixture(scope="module")
def token_file(shared_folder: Path) -> TokenFile:
    """With one token in it. root makes it, and the service's user has to be able to read it."""
    file = TokenFile.as_operator(owned_folder(shared_folder / "tokens") / "tokens.json")
    create_token(file, "first", Scope.READ)
    return file


@pytest.fixture(scope="module")
def environment(slurm: PrivateSlurm, shared_folder: Path) -> dict[str, str]:
    return service_environment(slurm, shared_folder, ["/bin/true", "main.py"])


@pytest.fixture(scope="module")
def bridge(shared_folder: Path, environment: dict[str, str], token_file: TokenFile) -> Iterator[Bridge]:
    with running_bridge(shared_folder, {**environment, "BRIDGE_TOKEN_FILE": str(token_file.path)}) as bridge:
        yield bridge


@pytest.fixture(scope="module")
def tokens(bridge: Bridge, token_file: TokenFile) -> dict[str, str]:
    """Made, revoked and expired while the service runs: `all` scopes, one only, all but one, `expired`, `revoked`."""
    tokens = {"all": create_token(token_file, "all", *Scope)}
    for scope in Scope:
        tokens[scope] = create_token(token_file, scope, scope)
        tokens[f"not-{scope}"] = create_token(token_file, f"not-{scope}", *(set(Scope) - {scope}))
    for name in ("expired", "revoked"):
        tokens[name] = create_token(token_file, name, *Scope, expires="1h")
        assert bridge.get("/jobs", Authorization=f"Bearer {tokens[name]}").status == 200
    with token_file.changing() as entries:
        past = datetime(2026, 1, 1, tzinfo=UTC)
        entries[:] = [
            entry.model_copy(update={"expires_at": past}) if entry.name == "expired" else entry for entry in entries
        ]
    token_command("revoke", "revoked", file=token_file)
    return tokens


@pytest.fixture(scope="module")
def job_id(bridge: Bridge, tokens: dict[str, str]) -> str:
    """A job that has ended."""
    authorization = {"Authorization": f"Bearer {tokens['all']}"}
    answer = bridge.send("POST", "/qaqc/run", QAQC_BODY, authorization)
    job_id: str = json.loads(answer.body)["job_id"]
    bridge.wait_until_finished(job_id, headers=authorization)
    return job_id


def test_every_route_has_a_row() -> None:
    parts = Services.of(settings(), MemoryGateway(), b"secret")
    there = {
        (method.method, route.path)
        for route in falcon.inspect.inspect_routes(create_app(settings(), parts))
        for method in route.methods
        if not method.internal  # Falcon's own: OPTIONS, and refusals of other methods
    }
    assert there == {(route.method, route.path) for route in ROUTES}


@pytest.mark.parametrize("credentials", by_name(REFUSED))
@pytest.mark.parametrize("route", PROTECTED)
def test_who_is_refused(
    bridge: Bridge, slurm: PrivateSlurm, tokens: dict[str, str], job_id: str, route: Route, credentials: Credentials
) -> None:
    jobs_before = count_jobs(slurm)
    answer = send(bridge, route, job_id, headers_of(credentials, tokens, route.scope))
    assert answer.status == credentials.status
    assert answer.headers.get_all("WWW-Authenticate") == [credentials.challenge.format(scope=route.scope)]
    assert answer.headers["Content-Type"] == "application/problem+json"
    if route.method != "HEAD":
        problem = json.loads(answer.body)
        assert problem["type"] == f"urn:tsm-slurm-bridge:{credentials.problem}"
        assert (problem["status"], problem["retryable"]) == (credentials.status, False)
    assert not [token for token in tokens.values() if token.encode() in answer.body]
    assert count_jobs(slurm) == jobs_before


@pytest.mark.parametrize("credentials", by_name(ACCEPTED))
@pytest.mark.parametrize("route", PROTECTED)
def test_who_is_let_in(
    bridge: Bridge, tokens: dict[str, str], job_id: str, route: Route, credentials: Credentials
) -> None:
    answer = send(bridge, route, job_id, headers_of(credentials, tokens, route.scope))
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (route.status, None)


@pytest.mark.parametrize("credentials", by_name((*REFUSED, *ACCEPTED)))
@pytest.mark.parametrize("route", PUBLIC)
def test_what_everybody_may_ask(
    bridge: Bridge, tokens: dict[str, str], job_id: str, route: Route, credentials: Credentials
) -> None:
    assert send(bridge, route, job_id, headers_of(credentials, tokens, None)).status == route.status


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="no-such-route"),
        pytest.param("GET", "/jobs/1/nowhere", 404, id="no-such-route-of-a-job"),
        pytest.param("DELETE", "/jobs", 405, id="delete-all"),
        pytest.param("GET", "/extractor/run", 405, id="get-run"),
        pytest.param("PUT", "/health", 405, id="put-health"),
    ],
)
@pytest.mark.parametrize("has_token", [False, True], ids=["no-token", "token"])
def test_what_is_not_there(
    bridge: Bridge, tokens: dict[str, str], method: str, path: str, status: int, has_token: bool
) -> None:
    headers = {"Authorization": f"Bearer {tokens['all']}"} if has_token else {}
    answer = bridge.send(method, path, headers=headers)
    assert (answer.status, json.loads(answer.body)["status"]) == (status, status)


def test_admins_see_who_it_was(bridge: Bridge, slurm: PrivateSlurm, tokens: dict[str, str]) -> None:
    answer = bridge.send("POST", "/qaqc/run", QAQC_BODY, {"Authorization": f"Bearer {tokens[Scope.SUBMIT]}"})
    request = json.loads(answer.body)
    shown = slurm.run("squeue", "--noheader", "--states=all", f"--jobs={request['job_id']}", "--format=%k")
    assert json.loads(shown)["by"] == "submit"
    assert bridge.line_about(request["request_id"])["caller"] == "submit"
    assert not [token for token in tokens.values() if token in bridge.log]


def test_a_file_that_goes_bad_lets_nobody_in_until_it_is_mended(
    bridge: Bridge, token_file: TokenFile, tokens: dict[str, str]
) -> None:
    def status() -> int:
        return bridge.get("/jobs", Authorization=f"Bearer {tokens['all']}").status

    token_file.path.chmod(0o644)
    try:
        assert [status() for _ in range(3)] == [503] * 3
    finally:
        token_file.path.chmod(0o600)
    assert status() == 200

    def errors() -> list[str]:
        return [line for line in bridge.log.splitlines() if '"level":"error"' in line]

    wait_until(errors, "the log tells of it")
    (error,) = errors()
    assert f"chmod 600 {token_file.path}" in error


def test_without_tokens_it_warns_and_every_client_may_call(
    slurm: PrivateSlurm, shared_folder: Path, environment: dict[str, str]
) -> None:
    folder = shared_folder / "open"
    folder.mkdir()
    with running_bridge(folder, environment) as bridge:
        answer = bridge.post("/qaqc/run", QAQC_BODY)
        assert answer.status == 202
        assert bridge.log.count("authentication is off: every client that can connect") == 1
    shown = slurm.run("squeue", "--noheader", "--states=all", f"--jobs={answer.body['job_id']}", "--format=%k")
    assert "by" not in json.loads(shown)


def send(bridge: Bridge, route: Route, job_id: str, headers: Mapping[str, str]) -> Answer:
    path = route.path.format(job_id=job_id, name="main.js")
    return bridge.send(route.method, path + route.query, route.body, headers)


def count_jobs(slurm: PrivateSlurm) -> int:
    return len(slurm.run("squeue", "--noheader", "--states=all").splitlines())
