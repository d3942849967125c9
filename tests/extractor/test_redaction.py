"""No secret is left in a text, whoever worded it."""

import pytest

from extractor.redaction import Redactor, secrets_of, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h:9000/bucket/f.csv?X-Signature=s#x", "https://h:9000/bucket/f.csv"),
        ("postgresql://u:p%40x@h/d?password=p", "postgresql://h/d"),
        ("http://h?q", "http://h"),
        ("file:///folder/f", "file:///folder/f"),
    ],
)
def test_a_url_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("password pass/word is wrong", id="decoded"),
        pytest.param("cannot use pass%2Fword", id="encoded"),
        pytest.param("in postgresql://u:pass%2Fword@h/d", id="in its URL"),
        pytest.param("url: /bucket/f?X-Signature=s3cr3t (Caused by …)", id="query of a relative URL"),
        pytest.param("X-Signature=s3cr3t", id="query alone"),
        pytest.param("http://other:s3cr3t@host/f?token=s3cr3t", id="a URL nobody mentioned before"),
    ],
)
def test_no_secret_is_left(text: str) -> None:
    secrets = secrets_of("postgresql://u:pass%2Fword@h/d") | secrets_of("https://h/bucket/f?X-Signature=s3cr3t")
    cleaned = Redactor(secrets).clean(text)
    assert not any(secret in cleaned for secret in ("pass/word", "pass%2Fword", "s3cr3t"))


def test_a_short_secret_is_told_by_no_gap() -> None:
    cleaned = Redactor(secrets_of("postgresql://u:p@h/d")).clean("unexpected port at postgresql://u:p@h/d")
    assert cleaned == "unexpected port at postgresql://h/d"
