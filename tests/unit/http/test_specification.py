"""`/openapi.json` and `/docs`: complete, true, and the same as what the service does."""

import gzip
import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import falcon.inspect
import falcon.testing
import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from openapi_spec_validator import validate

from bridge.auth.callers import BEARER_HEADER, Caller
from bridge.core.deadline import Deadline
from bridge.core.errors import BridgeError, InvalidRequestError
from bridge.http.app import create_app
from bridge.http.documents.query_models import JobQuery
from bridge.http.documents.request_body import read_request
from bridge.http.openapi import examples
from bridge.http.openapi.document import openapi_document
from bridge.http.openapi.operation import ALWAYS, ELSEWHERE, WHERE_COUNTED, WHERE_GUARDED
from bridge.http.openapi.page import SpecificationPage
from bridge.http.openapi.schemas import request_schema
from bridge.http.routes import ROUTES
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.kinds import ParseRequest
from bridge.policy.hosts import NAME_MAX, HostRules
from bridge.policy.uris import UriRules
from bridge.services import Services
from tests.support.application import CheckedClient, running_application
from tests.support.contract import METHODS, Contract, ContractError
from tests.support.memory_gateway import MemoryGateway
from tests.support.samples import PARSE_BODY, settings

OPERATIONS = [operation for route in ROUTES for operation in route.operations]
ANYWHERE = HostRules.of(None, ())
RULES = RequestRules(
    None,
    targets=UriRules(
        frozenset({"oracle", "postgresql", "postgresql+psycopg", "sqlite"}),
        ANYWHERE,
        (Path("/data/a+b"), Path("/stores")),
    ),
    sources=UriRules(frozenset({"http", "https"}), ANYWHERE),
)


@pytest.fixture(scope="module")
def client() -> Iterator[CheckedClient]:
    with running_application(MemoryGateway(), settings()) as client:
        yield client


@pytest.fixture(params=[False, True], ids=["open", "guarded"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(openapi_document(ROUTES, "1.2.3", RULES, is_guarded=request.param))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def test_it_is_valid(document: dict[str, Any]) -> None:
    validate(document)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_it_is_compressed_for_those_that_take_it(client: CheckedClient, path: str) -> None:
    app = falcon.testing.TestClient(client.app)
    plain = app.simulate_get(path)
    answer = app.simulate_get(path, headers={"Accept-Encoding": "br, gzip;q=0.8"})
    assert answer.headers["content-encoding"] == "gzip"
    assert plain.headers["vary"] == answer.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(answer.content) == plain.content
    assert len(answer.content) < len(plain.content) / 5


def test_it_tells_the_version_that_is_installed(client: CheckedClient) -> None:
    assert client.simulate_get("/openapi.json").json["info"]["version"] == version("tsm-slurm-bridge")


def test_every_method_of_a_resource_is_an_operation(client: CheckedClient) -> None:
    served = {
        (method.method, route.path)
        for route in falcon.inspect.inspect_routes(client.app)
        for method in route.methods
        if method.method not in ("HEAD", "OPTIONS") and not method.internal
    }
    assert served == {(operation.method, route.path) for route in ROUTES for operation in route.operations}


@pytest.mark.parametrize("error", BridgeError.__subclasses__(), ids=lambda error: error.type)
def test_every_error_is_somewhere(error: type[BridgeError]) -> None:
    of_operations = {error for operation in OPERATIONS for error in operation.errors}
    assert error in of_operations.union(ALWAYS, WHERE_COUNTED, WHERE_GUARDED, ELSEWHERE)


def test_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    checked = 0
    for owner, schema, example in _examples(document, document):
        validator = jsonschema_rs.Draft202012Validator(
            {**schema, "components": Contract(document).document["components"]}, validate_formats=True
        )
        assert not [error.message for error in validator.iter_errors(example)], (owner, example)
        checked += 1
    assert checked > 100


def _examples(part: Any, owner: Any) -> Iterator[tuple[Any, dict[str, Any], Any]]:
    if isinstance(part, list):
        for item in part:
            yield from _examples(item, owner)
    if not isinstance(part, dict):
        return
    if "schema" in part and "example" in part:
        yield owner, part["schema"], part["example"]
    if "schema" in part and "examples" in part:
        for example in part["examples"].values():
            yield owner, part["schema"], example["value"]
    if isinstance(part.get("examples"), list):
        for example in part["examples"]:
            yield owner, {name: rule for name, rule in part.items() if name != "examples"}, example
    for name, item in part.items():
        if name not in ("example", "examples"):
            yield from _examples(item, name)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"status": "ok", "more": 1}, id="unknown-member"),
        pytest.param({"status": "fine"}, id="other-value"),
        pytest.param({}, id="missing-member"),
    ],
)
def test_answers_that_it_does_not_have_are_found(client: CheckedClient, answer: dict[str, Any]) -> None:
    headers = {"content-type": "application/json", "x-request-id": "r"}
    with pytest.raises(ContractError):
        client.contract.check("GET", "/health", 200, headers, json.dumps(answer).encode())
    client.contract.check("GET", "/health", 200, headers, b'{"status": "ok"}')


def test_only_a_guarded_service_asks_for_tokens() -> None:
    for is_guarded in (False, True):
        document: dict[str, Any] = dict(openapi_document(ROUTES, "1", RULES, is_guarded=is_guarded))
        asked = {operation["operationId"] for _, _, operation in operations(document) if operation.get("security")}
        public = {"health", "ready", "specification", "documentation", "page", "pageFile"}
        assert asked == ({operation.id for operation in OPERATIONS} - public if is_guarded else set())
        assert ("securitySchemes" in document["components"]) is is_guarded
    assert "Needs the scope `cancel`." in document["paths"]["/jobs/{job_id}"]["delete"]["description"]
    assert {"401", "403"} <= document["paths"]["/jobs"]["get"]["responses"].keys()


class Refuser:
    """A verifier that knows every token, and gives its caller no scope."""

    headers: ClassVar = frozenset({BEARER_HEADER})

    def verify(self, _token: str, _deadline: Deadline) -> Caller:
        """See `Verifier`."""
        return Caller("nobody", frozenset())


@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Authorization": "Bearer invented"}, 403)])
def test_what_a_guarded_service_refuses_is_in_it(headers: dict[str, str], status: int) -> None:
    parts = replace(Services.of(settings(), MemoryGateway(), b"secret"), verifiers=(Refuser(),))
    client = CheckedClient(create_app(settings(), parts))
    assert client.simulate_get("/jobs", headers=headers).status_code == status


def test_strangers_are_told_nothing_of_the_operators() -> None:
    chosen = settings(
        parsers={"Secretive"},
        target_folders=["/srv/canary"],
        source_folders=["/mnt/canary"],
        source_schemes={"file", "https"},
        source_hosts={"canary.example"},
    )
    open_services = Services.of(chosen, MemoryGateway(), b"secret")
    for services, told in ((open_services, True), (replace(open_services, verifiers=(Refuser(),)), False)):
        client = CheckedClient(create_app(chosen, services))
        for path in ("/openapi.json", "/docs"):
            assert ("canary" in client.simulate_get(path).text, "Secretive" in client.simulate_get(path).text) == (
                told,
                told,
            )
        details = {check["detail"] for check in client.simulate_get("/ready").json["checks"].values()}
        assert (
            bool(details - {"is well", "is not well; `tsm-bridge doctor` and the log of the service say why"}) is told
        )


def test_the_operators_rules_are_in_it() -> None:
    rules = RequestRules(
        frozenset({"Csv", "Xml"}),
        targets=UriRules(frozenset({"postgresql+psycopg"}), ANYWHERE),
        sources=UriRules(frozenset({"https", "file"}), ANYWHERE, (Path("/data/a+b"),)),
    )
    fields = request_schema(ParseRequest, rules)["properties"]
    assert fields["parser"]["enum"] == ["Csv", "Xml"]
    assert re.search(fields["target"]["pattern"], "postgresql+psycopg://u:p@h/d")
    assert not re.search(fields["target"]["pattern"], "postgresqlpsycopg://h/d")
    assert re.search(fields["source"]["pattern"], "https://h/")
    assert not re.search(fields["source"]["pattern"], "http://h/")
    assert re.search(fields["source"]["pattern"], "file:///data/a%2Bb/c.csv")
    assert not re.search(fields["source"]["pattern"], "file:///data/other/c.csv")


@pytest.mark.parametrize("field", ["target", "source"])
@given(data=st.data())
@effort(derandomize=True, max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
def test_uris_of_the_schema_are_taken(field: str, data: st.DataObject) -> None:
    pattern = request_schema(ParseRequest, RULES)["properties"][field]["pattern"]
    uri = data.draw(st.from_regex(pattern, fullmatch=True))
    # Which addresses may stand in brackets, and how long a name may be, no pattern of a bearable length can say.
    assume("[" not in uri and len(uri) <= NAME_MAX and "/.." not in uri)
    names = [option.partition("=")[0] for option in uri.partition("?")[2].split("&")]
    assume(field == "source" or len(names) == len(set(names)))
    read_request(ParseRequest, _body(**{field: uri}), RULES)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("http://", id="no-host"),
        pytest.param("http:///path", id="empty-host"),
        pytest.param("http://h:65536/", id="port-too-high"),
        pytest.param("http://h:0/", id="port-zero"),
        pytest.param("http://h:x/", id="port-no-number"),
        pytest.param("http://127.1/", id="short-address"),
        pytest.param("http://1.2.3.256/", id="address-too-high"),
        pytest.param("http://0x7f000001/", id="hexadecimal-address"),
        pytest.param("http://h%2Eexample/", id="encoded-host"),
        pytest.param("http://u@/", id="user-without-host"),
        pytest.param("http://[::1/", id="open-bracket"),
        pytest.param("ftp://h/", id="scheme"),
        pytest.param("http://h/ ", id="blank"),
        pytest.param("http://h/%0", id="half-encoded"),
        pytest.param("http://h/a#b", id="fragment"),
    ],
)
def test_sources_that_are_refused_are_not_of_the_schema(source: str) -> None:
    assert not re.search(request_schema(ParseRequest, RULES)["properties"]["source"]["pattern"], source)
    with pytest.raises(InvalidRequestError):
        read_request(ParseRequest, _body(source=source), RULES)


def _body(**changes: str) -> bytes:
    return json.dumps({**PARSE_BODY, **changes}).encode()


@given(seconds=st.floats(0, 300))
@effort(derandomize=True)
def test_every_number_of_seconds_is_taken(seconds: float) -> None:
    assert JobQuery.model_validate({"wait": json.dumps(seconds)}).wait == seconds


class Reader(HTMLParser):
    """Gathers what the page consists of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str | None]:
        return [value for attribute, value in self.attributes if attribute == name]


@pytest.fixture(scope="module")
def page(client: CheckedClient) -> Reader:
    reader = Reader()
    reader.feed(client.simulate_get("/docs").text)
    return reader


def test_the_page_shows_all_that_there_is(page: Reader, client: CheckedClient) -> None:
    document = client.simulate_get("/openapi.json").json
    for path, method, operation in operations(document):
        assert f"{method.upper()} {path}" in page.text
        assert operation["summary"] in page.text
    for name, schema in document["components"]["schemas"].items():
        assert name in page.values("id")
        assert schema["description"].replace("`", "") in page.text
        for member in schema.get("properties", {}):
            assert member in page.text
    for error in {error for operation in OPERATIONS for error in operation.errors}:
        assert str(examples.ERRORS[error]) in page.text


def test_the_page_loads_nothing(page: Reader) -> None:
    assert not page.tags & {"script", "link", "img", "iframe", "form", "base", "object", "embed"}
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert {value.partition("#")[0] for value in page.values("href") if value} == {"", "openapi.json"}


def test_the_pages_links_lead_somewhere(page: Reader) -> None:
    places = page.values("id")
    assert len(places) == len(set(places))
    assert {value[1:] for value in page.values("href") if value and value.startswith("#")} <= set(places)


def test_the_page_may_use_its_own_style_and_nothing_else(client: CheckedClient) -> None:
    answer = client.simulate_get("/docs")
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["style-src"] == f"'sha256-{digest}'"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_the_document_says_cannot_become_markup() -> None:
    rules = replace(RULES, parsers=frozenset({"<script>"}))
    html = SpecificationPage.of(openapi_document(ROUTES, "<b>", rules, is_guarded=True)).html.decode()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
