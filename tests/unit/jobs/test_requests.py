"""Every rule of the contract for what a client may ask."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import InvalidRequestError, MalformedJsonError
from bridge.http.documents.request_body import read_request
from bridge.jobs.requests.fields import RequestRules
from bridge.jobs.requests.kinds import JobRequest, ParseRequest, QaqcRequest
from bridge.policy.hosts import HostRules
from bridge.policy.uris import UriRules
from tests.support.samples import HASHES, PARSE_BODY, QAQC_BODY, THING

ANYWHERE = HostRules.of(None, ())
RULES = RequestRules(
    None,
    targets=UriRules(frozenset({"postgresql", "postgresql+psycopg", "sqlite"}), ANYWHERE, (Path("/work/stores"),)),
    sources=UriRules(frozenset({"http", "https"}), ANYWHERE),
)


def parse(**changes: Any) -> ParseRequest:
    return read_request(ParseRequest, json.dumps({**PARSE_BODY, **changes}).encode(), RULES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("parser", "CsvParser", id="parser"),
        pytest.param("parser", "_" + "a" * 99, id="longest-parser"),
        pytest.param("target", "sqlite:////work/stores/demo.db", id="sqlite"),
        pytest.param("target", "POSTGRESQL://u@h/d", id="scheme-in-capitals"),
        pytest.param("target", "postgresql+psycopg://u:p%40ss@[::1]:5432/d?sslmode=require", id="psycopg-ipv6"),
        pytest.param("target", "sqlite:////work/stores/" + "a" * 2025, id="longest-target"),
        pytest.param("source", "http://h/" + "a" * 8183, id="longest-source"),
        pytest.param("source", "https://u:p@h:9000/a%20b.csv?sig=x%2By&e=$(id)'", id="signed-source"),
        pytest.param("thing_uuid", THING.upper(), id="uuid-in-capitals"),
        pytest.param("thing_uuid", f"urn:uuid:{THING}", id="uuid-urn"),
        pytest.param("thing_uuid", f"URN:UUID:{THING}", id="uuid-urn-in-capitals"),
        pytest.param("source", "https://storage.example:/a.csv", id="empty-port"),
    ],
)
def test_accepted(field: str, value: str) -> None:
    request = parse(**{field: value})
    assert str(getattr(request, field)) == (THING if field == "thing_uuid" else value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param("parser", "", "must match", id="parser-empty"),
        pytest.param("parser", "1Parser", "must match", id="parser-starts-with-digit"),
        pytest.param("parser", "a" * 101, "must match", id="parser-too-long"),
        pytest.param("parser", "CsvParser\n", "must match", id="parser-newline"),
        pytest.param("parser", "$(touch /tmp/x)", "must match", id="parser-command"),
        pytest.param("parser", "Csv`id`", "must match", id="parser-backticks"),
        pytest.param("parser", "Csv😀", "must match", id="parser-emoji"),
        pytest.param("parser", None, "must be a string", id="parser-null"),
        pytest.param("parser", ["CsvParser"], "must be a string", id="parser-list"),
        pytest.param("target", 1, "must be a string", id="target-number"),
        pytest.param("target", "", "must be a URI", id="target-empty"),
        pytest.param("target", "db.example/tsm", "must start with one of", id="target-no-scheme"),
        pytest.param("target", "postgresql:db", "must start with one of", id="target-no-slashes"),
        pytest.param("target", "mysql://u@h/d", "must start with one of", id="target-scheme"),
        pytest.param("target", "postgresql://h/d\x00", "must be a URI", id="target-nul"),
        pytest.param("target", "postgresql://h/d\r\nX: y", "must be a URI", id="target-crlf"),
        pytest.param("target", "postgresql://h/d\x7f", "must be a URI", id="target-del"),
        pytest.param("target", 'postgresql://h/"d"', "must be a URI", id="target-quotes"),
        pytest.param("target", "sqlite:////work/stores/" + "a" * 2026, "at most 2048 bytes", id="target-too-long"),
        pytest.param("source", "file:///etc/passwd", "must start with one of", id="source-file"),
        pytest.param("source", "http:///x", "must name a host", id="source-no-host"),
        pytest.param("source", "http://h:port/x", "malformed", id="source-bad-port"),
        pytest.param("source", "http://[::1/x", "malformed", id="source-bad-host"),
        pytest.param("source", "http://h/a b", "must be a URI", id="source-blank"),
        pytest.param("source", "http://h/`id`", "must be a URI", id="source-backticks"),
        pytest.param("source", "http://h/%zz", "must be a URI", id="source-bad-percent"),
        pytest.param("source", "http://h/ü", "must be a URI", id="source-not-ascii"),
        pytest.param("source", "http://h/\ud83d\ude00", "must be a URI", id="source-emoji"),
        pytest.param("source", "http://h/" + "a" * 8184, "at most 8192 bytes", id="source-too-long"),
        pytest.param("thing_uuid", "", "must be a UUID", id="uuid-empty"),
        pytest.param("thing_uuid", THING[:-1], "must be a UUID", id="uuid-short"),
        pytest.param("thing_uuid", THING.replace("-", ""), "must be a UUID", id="uuid-without-hyphens"),
        pytest.param("thing_uuid", "{" + THING + "}", "must be a UUID", id="uuid-braces"),
        pytest.param("thing_uuid", THING + "\n", "must be a UUID", id="uuid-newline"),
        pytest.param("thing_uuid", 17, "must be a string that holds a UUID", id="uuid-number"),
        pytest.param("qaqc", "yes", "must be true or false", id="qaqc-text"),
        pytest.param("quality", True, "is not a field of this request", id="unknown-field"),
    ],
)
def test_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**{field: value})
    assert [error.field for error in caught.value.errors] == [field]
    assert message in caught.value.errors[0].message


def test_every_missing_field_is_named() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request(ParseRequest, b"{}", RULES)
    assert {error.field for error in caught.value.errors} == set(PARSE_BODY)
    assert {error.message for error in caught.value.errors} == {"is required"}


def test_a_long_list_of_errors_is_cut() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(**{f"field{number}": 1 for number in range(1000)})
    assert len(caught.value.errors) == 100


def test_no_error_repeats_a_value() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        parse(target="mysql://u:canary@h", source="ftp://h/?canary", parser="canary!", thing_uuid="canary")
    assert len(caught.value.errors) == 4
    assert "canary" not in repr(caught.value.errors)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut-off"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'"text"', id="string"),
        pytest.param(b"null", id="null"),
        pytest.param(b"a=b&c=d", id="form"),
        pytest.param(json.dumps(PARSE_BODY).encode("utf-16"), id="utf-16"),
        pytest.param(b'{"parser": "\xff"}', id="not-utf-8"),
        pytest.param(b'{"parser": "\\ud800"}', id="lone-surrogate"),
        pytest.param(b"[" * 10_000, id="deep"),
    ],
)
def test_malformed(body: bytes) -> None:
    with pytest.raises(MalformedJsonError):
        read_request(ParseRequest, body, RULES)


def test_only_the_operators_parsers() -> None:
    rules = RequestRules(frozenset({"CsvParser"}), RULES.targets, RULES.sources)
    assert read_request(ParseRequest, json.dumps(PARSE_BODY).encode(), rules).parser == "CsvParser"
    with pytest.raises(InvalidRequestError) as caught:
        read_request(ParseRequest, json.dumps({**PARSE_BODY, "parser": "Other"}).encode(), rules)
    assert caught.value.errors[0].message == "must be one of CsvParser"


def test_the_request_becomes_the_jobs_environment() -> None:
    assert parse().environment() == {
        "TSM_PARSER": PARSE_BODY["parser"],
        "TSM_TARGET": PARSE_BODY["target"],
        "TSM_SOURCE": PARSE_BODY["source"],
        "TSM_THING_UUID": THING,
    }
    qaqc = read_request(QaqcRequest, json.dumps(QAQC_BODY).encode(), RULES)
    assert qaqc.environment() == {"TSM_TARGET": QAQC_BODY["target"], "TSM_THING_UUID": THING}


def qaqc(**changes: Any) -> QaqcRequest:
    return read_request(QaqcRequest, json.dumps({**QAQC_BODY, **changes}).encode(), RULES)


PERIOD = {
    "start_date": "2026-01-01T01:00:00.25+01:00",
    "end_date": "2026-02-01T00:00:00Z",
    "project_uuid": THING.upper(),
    "qc_settings_name": "Übliche Prüfung",
}


def test_a_period_and_settings_become_the_jobs_environment() -> None:
    assert qaqc(**PERIOD).environment() == {
        "TSM_TARGET": QAQC_BODY["target"],
        "TSM_THING_UUID": THING,
        "TSM_START": "2026-01-01T00:00:00.250000+00:00",
        "TSM_END": "2026-02-01T00:00:00+00:00",
        "TSM_PROJECT_UUID": THING,
        "TSM_QC_SETTINGS_NAME": "Übliche Prüfung",
    }
    nulls = dict.fromkeys(PERIOD)
    assert qaqc(**nulls).environment() == qaqc().environment()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param("start_date", "2026-01-01", "must be a time (RFC 3339)", id="date-alone"),
        pytest.param("start_date", "2026-01-01T00:00:00", "must be a time (RFC 3339)", id="no-offset"),
        pytest.param("start_date", "2026-13-01T00:00:00Z", "", id="month-13"),
        pytest.param("start_date", "0001-01-01T00:00:00+23:00", "must lie in the years 1 to 9999", id="before-year-1"),
        pytest.param("start_date", 1767225600, "", id="number"),
        pytest.param("end_date", "2025-12-31T23:59:59Z", "must not lie before start_date", id="end-before-start"),
        pytest.param("project_uuid", "17", "must be a UUID", id="project"),
        pytest.param("qc_settings_name", "", "1 to 200 characters", id="name-empty"),
        pytest.param("qc_settings_name", "a" * 201, "1 to 200 characters", id="name-too-long"),
        pytest.param("qc_settings_name", "a\nb", "without control characters", id="name-newline"),
        pytest.param("qc_settings_name", "a\x00", "without control characters", id="name-nul"),
        pytest.param("qc_settings_name", 1, "must be a string", id="name-number"),
        pytest.param("parser", "CsvParser", "is not a field of this request", id="unknown-field"),
    ],
)
def test_a_wrong_period_is_refused(field: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        qaqc(**{**PERIOD, field: value})
    assert [error.field for error in caught.value.errors] == [field]
    assert message in caught.value.errors[0].message


def digest(request: JobRequest) -> str:
    return HASHES.identity(request, "k", None).digest


def test_the_digest_tells_periods_apart_and_knows_a_moment_in_any_zone() -> None:
    written = [
        {},
        {"start_date": "2026-01-01T00:00:00Z"},
        {"end_date": "2026-01-01T00:00:00Z"},
        {"project_uuid": THING},
        {"qc_settings_name": "usual"},
    ]
    assert len({digest(qaqc(**fields)) for fields in written}) == len(written)
    assert digest(qaqc(start_date="2026-01-01T01:00:00+01:00")) == digest(qaqc(**written[1]))


def test_requests_without_new_fields_keep_their_digests() -> None:
    """Or a key that a client sends again across an upgrade of the bridge would be refused."""
    fields = f'{{"target":"{QAQC_BODY["target"]}","thing_uuid":"{THING}"}}'
    key = hashlib.blake2b(b"secret").digest()
    assert (
        HASHES.identity(qaqc(), "k", None).old_digest
        == hashlib.blake2b(b"qaqc" + fields.encode(), key=key, digest_size=16).hexdigest()
    )


def test_a_request_does_not_show_its_secrets_when_printed() -> None:
    assert "secret" not in repr(parse())
