"""Packed files are read by their content, from any source; damaged, ambiguous and endless ones are refused."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from extractor.reading import unpacking
from tests.extractor import things
from tests.support.static_http import StaticHttp

PLAIN = b"t,a\n2026-01-01 00:00:00,1\n2026-01-01 01:00:00,2\n"


def zipped(**files: bytes) -> bytes:
    """An archive of these files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> str:
    target = f"sqlite:///{tmp_path / 'data.sqlite'}"
    things.add(target, things.csv_parser())
    return target


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(gzip.compress(PLAIN), id="gzip"),
        pytest.param(gzip.compress(PLAIN[:20]) + gzip.compress(PLAIN[20:]), id="gzip in two parts"),
        pytest.param(bz2.compress(PLAIN), id="bzip2"),
        pytest.param(lzma.compress(PLAIN), id="xz"),
        pytest.param(zipped(data=PLAIN), id="zip"),
        pytest.param(zipped(**{"folder/": b"", "folder/data": PLAIN, "__MACOSX/data": b"x"}), id="zip with a folder"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "file"])
def test_what_is_packed_is_read(target: str, files: Path, http: StaticHttp, scheme: str, content: bytes) -> None:
    (files / "data.csv").write_bytes(content)
    source = http.url("data.csv") if scheme == "http" else f"file://{files}/data.csv"
    things.succeeded(things.parse(target, source, EXTRACTOR_FILE_ROOTS=str(files)))
    assert things.observations(target)["result_number"].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(gzip.compress(PLAIN)[:-9], "the file is packed, and damaged", id="gzip cut off"),
        pytest.param(bz2.compress(PLAIN)[:-9], "the file is packed, and damaged", id="bzip2 cut off"),
        pytest.param(lzma.compress(PLAIN)[:-9], "the file is packed, and damaged", id="xz cut off"),
        pytest.param(zipped(data=PLAIN)[:-9], "the file is packed, and damaged", id="zip cut off"),
        pytest.param(b"\x89HDF\r\n\x1a\n\0\0\0", "line 1: the file is not utf-8", id="no text"),
        pytest.param(b"CDF\1\0\0\n\0", "line 1 should be the header, but it holds NUL", id="no text, but ASCII"),
        pytest.param(zipped(a=PLAIN, b=PLAIN), "the zip archive holds 2 files", id="zip of two files"),
        pytest.param(zipped(), "the zip archive holds 0 files", id="zip of nothing"),
    ],
)
def test_what_cannot_be_unpacked(target: str, files: Path, http: StaticHttp, content: bytes, message: str) -> None:
    (files / "data.csv").write_bytes(content)
    assert message in things.failed(things.parse(target, http.url("data.csv")), 1)
    assert things.observations(target).empty


def test_a_file_without_an_end(target: str, files: Path, http: StaticHttp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 1 << 20)
    (files / "data.csv").write_bytes(gzip.compress(PLAIN + b"\n" * (2 << 20)))
    assert "the file unpacks to more than" in things.failed(things.parse(target, http.url("data.csv")), 1)
