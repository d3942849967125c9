"""Who a submission is: the key it can be repeated with, and a digest that tells whether it is the same again."""

import hashlib
import os
import re
import secrets
from pathlib import Path
from uuid import uuid4

from bridge.errors import FieldError, InvalidRequestError
from bridge.requests import RunRequest

KEY_HEADER = "Idempotency-Key"
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SECRET_BYTES = 32
_DIGEST_BYTES = 16


def submission_key(offered: str | None) -> str:
    """The client's `Idempotency-Key`, or one made up for a client that sent none.

    Raises `InvalidRequestError` where it is not 1 to 64 of `A-Z a-z 0-9 . _ -`.
    """
    if offered is None:
        return secrets.token_hex(16)
    if not IDEMPOTENCY_KEY.fullmatch(offered):
        raise InvalidRequestError([FieldError(KEY_HEADER, "must be 1 to 64 of A-Z a-z 0-9 . _ -")])
    return offered


class Digests:
    """Digests of requests, keyed: everybody may read them in a job's comment and nobody can test a guess against one.

    All bridges on a cluster need the same secret, or they take each other's repetitions for other requests.
    """

    def __init__(self, secret: bytes) -> None:
        key = hashlib.blake2b(secret).digest()  # as long as a key may be
        self._keyed = hashlib.blake2b(key=key, digest_size=_DIGEST_BYTES)

    def of(self, request: RunRequest) -> str:
        """32 hexadecimal digits: a keyed BLAKE2b (RFC 7693) over kind and canonical fields."""
        digest = self._keyed.copy()
        digest.update((request.kind + request.model_dump_json()).encode())
        return digest.hexdigest()


def load_secret(path: Path) -> bytes:
    """The secret in the file at `path`, which is made, readable by its owner only, where it is missing.

    Raises `OSError` where it cannot be read or made, `ValueError` where others may read it or it is too short.
    """
    if not path.exists():
        _make_secret(path)
    if path.stat().st_mode & 0o077:
        raise ValueError(f"others may read {path}: chmod 600 {path}")
    secret = path.read_bytes()
    if len(secret) < _SECRET_BYTES:
        raise ValueError(f"{path} holds less than {_SECRET_BYTES} bytes: remove it, and a new one is made")
    return secret


def _make_secret(path: Path) -> None:
    """Complete or not at all, and once: of several bridges that start together one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{uuid4().hex}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
        try:
            os.link(aside, path)
        except FileExistsError:
            return  # another bridge was faster
    finally:
        aside.unlink()
