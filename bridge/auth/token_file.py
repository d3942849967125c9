"""The file of the bridge's own tokens. It holds digests only: with them one cannot call."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bridge.core.files import create_file, locked, refuse_exposed, replace_file
from bridge.core.scopes import Scope
from bridge.core.text import CALLER_NAME, anchored

LOCK_TIMEOUT_SECONDS = 10.0  # a change takes milliseconds
NO_TOKENS = b"[]\n"


class TokenFileError(Exception):
    """The file cannot be used. The message is one line for the operator, with the fix, without secrets."""


class TokenEntry(BaseModel):
    """One token. `digest` is the SHA-256 of its text, in hexadecimal digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=anchored(CALLER_NAME))]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    created_at: AwareDatetime
    expires_at: AwareDatetime | None  # None: never


Tokens = tuple[TokenEntry, ...]
_ENTRIES = TypeAdapter(list[TokenEntry])


class TokenFile:
    """The file at `path`: JSON, a list of `TokenEntry`.

    Only its owner may be able to read and write it. The owner has to be this process's user or root; with
    `is_owner_free` it may be any user. A change waits for `lock_timeout_seconds` for other changes.
    """

    def __init__(
        self, path: Path, *, is_owner_free: bool = False, lock_timeout_seconds: float = LOCK_TIMEOUT_SECONDS
    ) -> None:
        self.path = path
        self._is_owner_free = is_owner_free
        self._lock_timeout_seconds = lock_timeout_seconds

    @classmethod
    def as_operator(cls, path: Path) -> Self:
        """For a command: root looks after the files of services that run as other users."""
        return cls(path, is_owner_free=os.geteuid() == 0)

    def read(self) -> Tokens:
        """What it holds. Raises `TokenFileError` where it is missing, others may use it, or it is no such list."""
        try:
            with self.path.open("rb") as file:
                self._refuse_unsafe(os.fstat(file.fileno()))
                entries = _ENTRIES.validate_json(file.read())
        except FileNotFoundError:
            raise TokenFileError(f"{self.path} is not there: make it with `tsm-bridge token create`") from None
        except OSError as error:
            raise TokenFileError(
                f"cannot read {self.path}: {error.strerror}; it has to be a file of the user that the service runs as"
            ) from None
        except ValidationError as error:
            raise TokenFileError(f"{self.path} is not a list of tokens: {_first_fault(error)}") from None
        if len({entry.name for entry in entries}) < len(entries):
            raise TokenFileError(f"{self.path} has a name twice: remove one of the two")
        return tuple(entries)

    @contextmanager
    def changing(self) -> Iterator[list[TokenEntry]]:
        """The entries, to be changed in place; leaving the context without an error writes them, all or nothing.

        One change at a time: the next waits for the one before, unless that one's process has ended. A file that is
        missing is made, with the owner of its folder. Raises `TokenFileError` as `read` does, and where the file
        cannot be written.
        """
        if self.path.is_symlink():
            raise TokenFileError(f"{self.path} is a symbolic link: name the file itself")
        try:
            if not self.path.exists():
                create_file(self.path, NO_TOKENS, owned_like=self.path.parent)
            with locked(self.path, self._lock_timeout_seconds):
                entries = list(self.read())
                yield entries
                replace_file(self.path, _ENTRIES.dump_json(entries, indent=2) + b"\n")
        except TimeoutError:
            raise TokenFileError(f"another command is changing {self.path}: try again when it has ended") from None
        except OSError as error:
            raise TokenFileError(f"cannot write {self.path}: {error.strerror}") from None

    def _refuse_unsafe(self, status: os.stat_result) -> None:
        try:
            refuse_exposed(self.path, status)
        except ValueError as error:
            raise TokenFileError(str(error)) from None
        if status.st_uid not in (0, os.geteuid()) and not self._is_owner_free:
            raise TokenFileError(f"{self.path} belongs to another user: chown it to the one that the service runs as")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
