"""What is hidden in the output of jobs, and what is not."""

import random
import time
import tracemalloc
from functools import partial
from itertools import product

import pytest

from bridge.jobs.output.masking import BLOCK_BYTES, EDGE_BYTES, SECRET_MIN_BYTES, Masker
from bridge.policy.uris import SOURCE_MAX_BYTES

PASSWORD = "pa/s w%rd?'ä"
MIB = 2**20


def mask(text: str, *secrets: str, is_end: bool = False) -> str:
    data = text.encode()
    masked = Masker(secrets).mask(data, is_end=is_end)
    assert len(masked) == len(data)
    return masked.decode()


def slice_of(text: bytes, start: int, stop: int) -> bytes:
    return text[start:stop]


def window(masker: Masker, text: bytes, start: int, stop: int) -> bytes:
    return b"".join(masker.chunks(partial(slice_of, text), len(text), range(start, stop)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("into postgresql://tsm:pw@db/tsm now", "into postgresql://******@db/tsm now", id="user-info"),
        pytest.param("https://token@host/", "https://*****@host/", id="user-only"),
        pytest.param("postgresql://u:p@s/w@db/x", "postgresql://*******@db/x", id="password-not-encoded"),
        pytest.param("postgresql://u:p?w@db/x is", "postgresql://********** is", id="password-with-question-mark"),
        pytest.param("ftp://a:b@h http://c:d@h", "ftp://***@h http://***@h", id="two-in-a-line"),
        pytest.param("https://h/f?X-Sig=abc#x is", "https://h/f?*********** is", id="query"),
        pytest.param("https://u:p@h/f?s=1 is", "https://***@h/f?*** is", id="both"),
        pytest.param("url: /f?X-Sig=a (Caused by", "url: /f?******* (Caused by", id="as-requests-quotes-it"),
        pytest.param('"GET /f?X-Sig=a HTTP/1.1" 403', '"GET /f?******* HTTP/1.1" 403', id="as-urllib3-quotes-it"),
        pytest.param("f.csv?X-Sig=a'b(c)\n", "f.csv?************\n", id="name-only-with-quotes-of-uris"),
        pytest.param('{"s":"http://h/?a","t":"x"}', '{"s":"http://h/?*","t":"x"}', id="json"),
        pytest.param("<http://h/?a>b", "<http://h/?*>b", id="angle-brackets"),
        pytest.param("http://h/?a\x1b[0m", "http://h/?*\x1b[0m", id="terminal-colours"),
        pytest.param("Why? See http://h/, //x@y", "Why? See http://h/, //x@y", id="ordinary-text"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_uris(text: str, expected: str) -> None:
    assert mask(text) == expected


def test_bytes_that_are_no_text() -> None:
    assert Masker(()).mask(b"\xff\0http://h/?\xff\xfe\0b", is_end=False) == b"\xff\0http://h/?**\0b"


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("pa/s w%rd?'ä", id="as-given"),
        pytest.param("pa%2Fs%20w%25rd%3F%27%C3%A4", id="all-encoded"),
        pytest.param("pa%2fs%20w%25rd%3f%27%c3%a4", id="lower-case"),
        pytest.param("pa/s%20w%25rd%3F%27%C3%A4", id="as-a-path"),
        pytest.param("pa%2Fs%20w%25rd%3F'%C3%A4", id="as-a-component"),
        pytest.param("pa%2Fs+w%25rd%3F%27%C3%A4", id="as-a-form"),
        pytest.param("pa/s w%rd?'\\u00e4", id="in-json"),
    ],
)
def test_a_known_secret_is_hidden_wherever_it_stands(spelling: str) -> None:
    assert mask(f"user={spelling} x", PASSWORD) == f"user={'*' * len(spelling.encode())} x"


def test_a_secret_as_python_quotes_it() -> None:
    assert mask(str(["x", "a\\b'\"c"]), "a\\b'\"c") == "['x', '********']"


def test_a_secret_that_overlaps_itself() -> None:
    assert mask("xababab.", "abab") == "x******."


def test_a_secret_that_ordinary_words_hold_is_left() -> None:
    assert mask("catalogue", "cat") == "catalogue"
    assert mask("catalogue", "cata") == "****logue"
    assert SECRET_MIN_BYTES == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("to https://user:pass", "to https://*********", id="user-info-before-its-@"),
        pytest.param("to https://user:p@ss", "to https://*********", id="user-info-after-one"),
        pytest.param("to https://user:p@ss\n", "to https://******@ss\n", id="complete"),
        pytest.param("to https://host\n", "to https://host\n", id="no-user-info"),
        pytest.param("the s3cr", "the ****", id="secret-begun"),
        pytest.param("the s3cr ", "the s3cr ", id="no-secret"),
        pytest.param("done", "done", id="ordinary-end"),
    ],
)
def test_the_end_of_a_file_that_is_being_written(text: str, expected: str) -> None:
    assert mask(text, "s3cret", is_end=True) == expected


def noise(generator: random.Random, length: int) -> bytes:
    """Text of few different pieces, so that what is to be hidden comes often, and across every border."""
    pieces = [b"://", b"@", b"?", b" ", b"\n", b"a" * 9, b"s3cret", b"s3c", b"\xc3\xa4", b'"', b"x" * 40_000]
    weights = [8, 8, 4, 8, 4, 20, 6, 6, 4, 2, 0.02]
    text = b"".join(generator.choices(pieces, weights, k=length // 3))
    return text[:length]


@pytest.mark.parametrize("seed", range(8))
def test_every_part_is_that_of_the_whole(seed: int) -> None:
    generator = random.Random(seed)  # noqa: S311
    text = noise(generator, 3 * BLOCK_BYTES)
    masker = Masker(["s3cret"])
    whole = window(masker, text, 0, len(text))
    assert len(whole) == len(text)
    assert all(out in (byte, ord("*")) for byte, out in zip(text, whole, strict=True))
    assert b"s3cret" not in whole
    near_borders = [border + shift for border, shift in product(range(0, len(text), BLOCK_BYTES), (-1, 0, 1, 9))]
    positions = [*near_borders, *(generator.randrange(len(text)) for _ in range(20))]
    for _ in range(40):
        start, stop = sorted(generator.choices([at for at in positions if at >= 0], k=2))
        assert window(masker, text, start, stop) == whole[start:stop]


@pytest.mark.parametrize("shift", [-SOURCE_MAX_BYTES * 3, -20, -3, 0, 3])
def test_the_longest_uris_are_hidden_across_borders(shift: int) -> None:
    query = b"%3D" * SOURCE_MAX_BYTES
    assert len(query) < EDGE_BYTES
    text = b"a " * (BLOCK_BYTES // 2) + b" " * 30_000
    at = BLOCK_BYTES + shift
    text = text[:at] + b" https://user:pass@host/f?" + query + b" " + text[at:]
    hidden = window(Masker(()), text, 0, len(text))
    assert hidden[:at] == text[:at]
    assert hidden[at:].lstrip().split(b" ")[0] == b"https://*********@host/f?" + b"*" * len(query)


def test_a_secret_longer_than_the_edges() -> None:
    secret = "s" + "ecret" * 10_000
    text = b"x" * (BLOCK_BYTES - 100) + secret.encode() + b"x" * BLOCK_BYTES
    hidden = window(Masker([secret]), text, 0, len(text))
    assert hidden == text.replace(secret.encode(), b"*" * len(secret))


def test_a_file_that_became_shorter_ends_early() -> None:
    text = b"x" * (BLOCK_BYTES + 5)
    masked = b"".join(Masker(()).chunks(partial(slice_of, text), 3 * BLOCK_BYTES, range(3 * BLOCK_BYTES)))
    assert masked == text


@pytest.mark.parametrize(
    "piece", [b"a", b"://", b"?", b"@", b"?a ", b"://@", b"://a@ ", b"s3cre"], ids=lambda piece: piece.decode()
)
def test_endless_lines_take_constant_memory_and_linear_time(piece: bytes) -> None:
    """Memory on a file of 32 MiB, which is never held as a whole; time on 2 MiB of it, without the tracing."""
    repeated = piece * (2 * BLOCK_BYTES // len(piece) + 1)

    def read(start: int, stop: int) -> bytes:
        offset = start % len(piece)
        return repeated[offset : offset + stop - start]

    masker = Masker(["s3cret", "aaaaa"])
    started_at = time.process_time()
    assert sum(map(len, masker.chunks(read, 32 * MIB, range(2 * MIB)))) == 2 * MIB
    assert time.process_time() - started_at < 8
    tracemalloc.start()
    try:
        assert sum(map(len, masker.chunks(read, 32 * MIB, range(31 * MIB, 32 * MIB)))) == MIB
        assert tracemalloc.get_traced_memory()[1] < 3 * MIB
    finally:
        tracemalloc.stop()
