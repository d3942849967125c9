"""The token file: what it must look like, who may own it, and that changes neither collide nor break it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bridge.auth.token_file import TokenEntry, TokenFile, TokenFileError
from bridge.core.scopes import Scope

ROOT = Path(__file__).parents[3]
IS_ROOT = os.geteuid() == 0
STRANGER = 12345  # a user id that is neither ours nor root's
ENTRY: dict[str, Any] = {
    "name": "dispatcher",
    "digest": "0" * 64,
    "scopes": ["submit"],
    "created_at": "2026-01-01T00:00:00Z",
    "expires_at": None,
}


def entry(name: str) -> TokenEntry:
    return TokenEntry(
        name=name, digest="0" * 64, scopes=(Scope.READ,), created_at=datetime(2026, 1, 1, tzinfo=UTC), expires_at=None
    )


def names(file: TokenFile) -> list[str]:
    return [entry.name for entry in file.read()]


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    """A file with one token, `first`."""
    file = TokenFile(tmp_path / "tokens.json")
    with file.changing() as entries:
        entries.append(entry("first"))
    return file


def test_what_is_written_is_read_and_for_the_owner_only(file: TokenFile) -> None:
    assert file.read() == (entry("first"),)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_file_that_others_may_use_is_refused(file: TokenFile) -> None:
    file.path.chmod(0o640)
    with pytest.raises(TokenFileError, match=f"chmod 600 {file.path}"):
        file.read()


def give_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the file a stranger's; without root, be the stranger oneself."""
    if IS_ROOT:
        os.chown(path, STRANGER, STRANGER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)


def test_a_file_of_another_user_is_refused(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    give_away(file.path, monkeypatch)
    with pytest.raises(TokenFileError, match="belongs to another user: chown it"):
        file.read()


def test_roots_file_is_taken(file: TokenFile, monkeypatch: pytest.MonkeyPatch) -> None:
    if not IS_ROOT:
        pytest.skip("only root can own a file of root's")
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    assert names(file) == ["first"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "Invalid JSON", id="empty"),
        pytest.param("canary", "Invalid JSON", id="not-json"),
        pytest.param('{"canary": 1}', "valid array", id="not-a-list"),
        pytest.param(json.dumps([{**ENTRY, "digest": "canary"}]), "0.digest: ", id="not-a-digest"),
        pytest.param(json.dumps([{**ENTRY, "name": "canary\n"}]), "0.name: ", id="name"),
        pytest.param(json.dumps([{**ENTRY, "scopes": []}]), "0.scopes: ", id="no-scope"),
        pytest.param(json.dumps([{**ENTRY, "scopes": ["canary"]}]), "0.scopes.0: ", id="unknown-scope"),
        pytest.param(json.dumps([{**ENTRY, "expires_at": "2026-01-01T00:00:00"}]), "timezone", id="no-time-zone"),
        pytest.param(json.dumps([ENTRY, {**ENTRY, "note": "canary"}]), "1.note: ", id="unknown-field"),
        pytest.param(json.dumps([ENTRY, {**ENTRY, "digest": "1" * 64}]), "name twice", id="name-twice"),
    ],
)
def test_other_content_is_refused_and_never_shown(file: TokenFile, text: str, words: str) -> None:
    file.path.write_text(text)
    with pytest.raises(TokenFileError) as caught:
        file.read()
    assert words in str(caught.value)
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match="is not there: make it with `tsm-bridge token create`"):
        TokenFile(tmp_path / "none").read()
    with pytest.raises(TokenFileError, match="Is a directory"):
        TokenFile(tmp_path).read()


def test_a_change_that_fails_changes_nothing(file: TokenFile) -> None:
    def fail() -> None:
        with file.changing() as entries:
            entries.clear()
            raise KeyError

    before = file.path.read_bytes()
    with pytest.raises(KeyError):
        fail()
    assert file.path.read_bytes() == before
    assert list(file.path.parent.iterdir()) == [file.path]


def test_a_broken_file_is_not_overwritten(file: TokenFile) -> None:
    file.path.write_text("[")
    with pytest.raises(TokenFileError, match="not a list of tokens"), file.changing() as entries:
        entries.append(entry("second"))
    assert file.path.read_text() == "["


def test_changes_at_the_same_time_are_all_kept(file: TokenFile) -> None:
    def add(number: int) -> None:
        with TokenFile(file.path).changing() as entries:
            entries.append(entry(str(number)))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(24)))
    assert sorted(names(file)) == sorted(["first", *map(str, range(24))])


# Changes the file of its argument, and stays in the middle of that.
UNFINISHED_CHANGE = """
import sys, time
from pathlib import Path
from bridge.auth.token_file import TokenFile
with TokenFile(Path(sys.argv[1])).changing() as entries:
    entries.clear()
    print("changing", flush=True)
    time.sleep(60)
"""


@contextmanager
def unfinished_change(path: Path) -> Iterator[None]:
    """A process that changes the file at `path`, and is killed in the middle of it."""
    command = [sys.executable, "-c", UNFINISHED_CHANGE, str(path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "changing\n"
            yield
        finally:
            process.kill()


def test_a_change_that_was_killed_does_not_block_the_next(file: TokenFile) -> None:
    with unfinished_change(file.path):
        pass
    with TokenFile(file.path, lock_timeout_seconds=0).changing() as entries:
        entries.append(entry("second"))
    assert names(file) == ["first", "second"]


def test_a_first_change_that_was_killed_does_not_block_the_next(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    with unfinished_change(path):
        pass
    with TokenFile(path, lock_timeout_seconds=0).changing() as entries:
        entries.append(entry("first"))
    assert names(TokenFile(path)) == ["first"]


def test_a_change_waits_for_the_one_before_and_not_for_ever(file: TokenFile) -> None:
    with unfinished_change(file.path):
        impatient = TokenFile(file.path, lock_timeout_seconds=0.1)
        with pytest.raises(TokenFileError, match=f"another command is changing {file.path}"), impatient.changing():
            pass
        assert names(file) == ["first"]


def test_a_symbolic_link_is_not_replaced(file: TokenFile) -> None:
    link = file.path.with_name("link.json")
    link.symlink_to(file.path)
    with pytest.raises(TokenFileError, match="symbolic link"), TokenFile(link).changing():
        pass
    assert link.is_symlink()
    assert names(TokenFile(link)) == ["first"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TokenFileError, match=r"cannot write .*: No such file"), TokenFile(tmp_path / "a/b").changing():
        pass


@pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "changed"])
def test_what_root_writes_belongs_to_the_services_user(tmp_path: Path, is_new: bool) -> None:
    file = TokenFile.as_operator(tmp_path / "tokens.json")
    if is_new:
        os.chown(tmp_path, STRANGER, STRANGER + 1)
    else:
        file.path.write_text("[]")
        file.path.chmod(0o600)
        os.chown(file.path, STRANGER, STRANGER + 1)
    with file.changing() as entries:
        entries.append(entry("first"))
    status = file.path.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (STRANGER, STRANGER + 1, 0o600)
    assert names(file) == ["first"]
