"""The file of the bridge's own tokens. It holds digests only: who reads it cannot call with what it says."""

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridge.auth.callers import Scope

NAME_PATTERN = r"^[A-Za-z0-9._@-]{1,64}$"
LOCK_SECONDS = 10.0  # a change takes milliseconds
LOCK_POLL_SECONDS = 0.02

Stamp = tuple[int, ...]  # changes with the file: a new one in its place, other bytes, another mode or owner


class TokenFileError(Exception):
    """The file cannot be used, or not so. The message is one line for the operator, with the fix, without secrets."""


class TokenEntry(BaseModel):
    """One token. `digest` is the SHA-256 of its text, in hexadecimal digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None  # None: never


_ENTRIES = TypeAdapter(list[TokenEntry])


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the file held at one moment."""

    entries: tuple[TokenEntry, ...]
    stamp: Stamp


class TokenFile:
    """The file at `path`: JSON, a list of `TokenEntry`.

    Only its owner may be able to read and write it; that is this process's user or root, or with `is_owner_free`
    anybody.
    """

    def __init__(self, path: Path, *, is_owner_free: bool = False) -> None:
        self.path = path
        self._is_owner_free = is_owner_free

    @classmethod
    def as_operator(cls, path: Path) -> Self:
        """For a command: root looks after the files of services that run as other users."""
        return cls(path, is_owner_free=os.geteuid() == 0)

    def stamp(self) -> Stamp | None:
        """That of the file as it is now, for the price of one stat; `None` where there is none to be seen."""
        try:
            return _stamp(self.path.stat())
        except OSError:
            return None

    def read(self) -> Tokens:
        """What it holds. Raises `TokenFileError` where it is not there, not ours alone, or not such a list."""
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                self._refuse_unsafe(status)
                entries = _ENTRIES.validate_json(file.read())
        except FileNotFoundError:
            raise TokenFileError(f"{self.path} is not there: make it with `slurm-bridge token create`") from None
        except OSError as error:
            raise TokenFileError(
                f"cannot read {self.path}: {error.strerror}; it has to be a file of the user that the service runs as"
            ) from None
        except ValidationError as error:
            raise TokenFileError(f"{self.path} is not a list of tokens: {_first_fault(error)}") from None
        if len({entry.name for entry in entries}) < len(entries):
            raise TokenFileError(f"{self.path} has a name twice: remove one of the two")
        return Tokens(tuple(entries), _stamp(status))

    @contextmanager
    def changing(self) -> Iterator[list[TokenEntry]]:
        """The entries, to be changed in place; leaving the context without an error writes them, all or nothing.

        One change at a time: the next waits for the one before. A file that is not there is made, with the owner of
        its folder. Raises `TokenFileError` as `read` does, and where it cannot be written.
        """
        try:
            with self._written_aside() as file:
                entries = [] if self._is_missing() else list(self.read().entries)
                yield entries
                file.write(_ENTRIES.dump_json(entries, indent=2) + b"\n")
        except OSError as error:
            raise TokenFileError(f"cannot write {self.path}: {error.strerror}") from None

    @contextmanager
    def _written_aside(self) -> Iterator[BinaryIO]:
        """A new file that takes the place of the old one. As only one can have its name, it is the lock as well."""
        if self.path.is_symlink():
            raise TokenFileError(f"{self.path} is a symbolic link: name the file itself")
        aside = self.path.with_name(f"{self.path.name}.new")
        descriptor = _open_new(aside)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if os.geteuid() == 0:  # nobody else may give files away
                    owned_alike = self.path.parent.stat() if self._is_missing() else self.path.stat()
                    os.fchown(descriptor, owned_alike.st_uid, owned_alike.st_gid)
                yield file
                file.flush()
                os.fsync(descriptor)
            aside.replace(self.path)
        except BaseException:
            aside.unlink()
            raise

    def _is_missing(self) -> bool:
        return not self.path.exists()

    def _refuse_unsafe(self, status: os.stat_result) -> None:
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise TokenFileError(f"others may read or write {self.path}: chmod 600 {self.path}")
        if status.st_uid not in (0, os.geteuid()) and not self._is_owner_free:
            raise TokenFileError(f"{self.path} belongs to another user: chown it to the one that the service runs as")


def _open_new(path: Path) -> int:
    """A descriptor of the new file `path`, for writing, 0600; waits while there is one of this name."""
    give_up_at = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            if time.monotonic() > give_up_at:
                raise TokenFileError(
                    f"{path} is there: another `slurm-bridge token` is at work, or was interrupted; then remove it"
                ) from None
            time.sleep(LOCK_POLL_SECONDS)


def _stamp(status: os.stat_result) -> Stamp:
    """The time of the last change of the inode tells of another mode or owner, which that of the content does not."""
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
