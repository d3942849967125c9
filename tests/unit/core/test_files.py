"""Small files: made once, replaced whole, locked by one, read again when they have changed."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bridge.core.files import WatchedFile, create_file, locked, refuse_exposed, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    create_file(path, b"first")
    return path


def test_a_file_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [str(number).encode() for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda content: create_file(path, content), contents))
    assert made.count(True) == 1
    assert path.read_bytes() == contents[made.index(True)]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole(path: Path) -> None:
    with path.open("rb") as before:
        replace_file(path, b"second")
        assert before.read() == b"first"
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing(path: Path) -> None:
    folder = path.with_name("folder")
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        replace_file(folder, b"second")
    assert sorted(path.parent.iterdir()) == [path, folder]


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601], ids=oct)
def test_a_file_that_others_may_use_is_refused(path: Path, mode: int) -> None:
    refuse_exposed(path, path.stat())
    path.chmod(mode)
    with pytest.raises(ValueError, match=f"others may read or write {path}: chmod 600 {path}"):
        refuse_exposed(path, path.stat())


def test_one_at_a_time_holds_the_lock(path: Path) -> None:
    with locked(path, 0), pytest.raises(TimeoutError), locked(path, 0.05):
        pass
    with locked(path, 0):
        pass


def test_the_lock_stays_one_while_the_file_is_replaced(path: Path) -> None:
    path.write_bytes(b"0")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_under_lock, [path] * 40))
    assert path.read_bytes() == b"40"


def add_under_lock(path: Path) -> None:
    with locked(path, 10):
        replace_file(path, str(int(path.read_bytes()) + 1).encode())


def test_a_file_is_read_again_when_it_has_changed(path: Path) -> None:
    readings: list[bytes] = []

    def read() -> bytes:
        readings.append(path.read_bytes() if path.exists() else b"")
        return readings[-1]

    watched = WatchedFile(path, read, lambda before: before + b" " + read())
    assert [watched.content() for _ in range(3)] == [b"first"] * 3
    replace_file(path, b"second")
    assert [watched.content() for _ in range(3)] == [b"first second"] * 3
    path.chmod(0o640)
    assert watched.content() == b"first second second"
    path.unlink()
    assert [watched.content() for _ in range(3)] == [b"first second second "] * 3
    assert readings == [b"first", b"second", b"second", b""]
