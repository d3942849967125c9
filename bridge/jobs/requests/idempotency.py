"""Idempotency: the key to repeat a request with, and the keyed hashes that tell whether it is the same request."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.core.errors import FieldError, InvalidRequestError
from bridge.core.files import create_file, refuse_exposed
from bridge.core.text import CLIENT_ID_RULE, OFFERED_KEY
from bridge.jobs.requests.batches import BatchRequest
from bridge.jobs.requests.kinds import JobRequest
from bridge.jobs.requests.metadata import JobMetadata, element_key

KEY_HEADER = "Idempotency-Key"
_SECRET_BYTES = 32
_HASH_BYTES = 16
_NONCE_BYTES = 8
_SEAL_BYTES = 8


def submission_key(offered: str | None) -> str:
    """The client's `Idempotency-Key`, or one made up for a client that sent none.

    In quotes it is the same key. Raises `InvalidRequestError` where it is no `OFFERED_KEY`.
    """
    if offered is None:
        return secrets.token_hex(16)
    if not OFFERED_KEY.fullmatch(offered):
        raise InvalidRequestError([FieldError(KEY_HEADER, CLIENT_ID_RULE)])
    return offered.strip('"')


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """By what the jobs of a request are known: those of this release, and those that an older one has submitted."""

    key: str  # a keyed hash of the client's key and the caller: a key belongs to its caller, and tells nothing
    digest: str  # a keyed hash of caller, kind and fields
    caller: str | None
    client_key: str  # what older releases have for `key`
    old_digest: str  # and for `digest`: without the caller
    indices: tuple[int, ...] | None = None  # of the elements, where the request is for an array

    @property
    def keys(self) -> list[str]:
        """Under which its jobs, or others with the same key of the client, are known (`Job.key`)."""
        return [self.client_key, self.key, *(element_key(self.key, index) for index in self.indices or (0,))]

    def has_key_of(self, job: JobMetadata) -> bool:
        """Whether the job was submitted by this caller with this key."""
        if job.tag is None:
            return job.key == self.client_key and job.by == self.caller
        return job.key == self.key

    def is_of(self, job: JobMetadata) -> bool:
        """Whether the job was submitted for this request."""
        return self.has_key_of(job) and job.digest == (self.old_digest if job.tag is None else self.digest)


class IdentityHashes:
    """Keyed BLAKE2b (RFC 7693): every user may read one in a job's comment, and no user can test a guess with it.

    All bridges on a cluster need the same secret, or they take each other's repetitions for other requests.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = hashlib.blake2b(secret).digest()  # as long as a key may be
        self._keys = self._hash_for(b"key", _HASH_BYTES)
        self._digests = self._hash_for(b"request", _HASH_BYTES)
        self._seals = self._hash_for(b"tag", _SEAL_BYTES)
        self._old_digests = self._hash_for(b"", _HASH_BYTES)

    def identity(self, request: JobRequest, client_key: str, caller: str | None) -> RequestIdentity:
        """By what the jobs of `request` are known."""
        content = request.kind + _json(request)
        return RequestIdentity(
            key=self.key_of(client_key, caller),
            digest=_hex(self._digests, caller or "", content),
            caller=caller,
            client_key=client_key,
            old_digest=_hex(self._old_digests, content),
        )

    def batch_identities(
        self, batch: BatchRequest, arrays: Sequence[Sequence[int]], client_key: str, caller: str | None
    ) -> list[RequestIdentity]:
        """By what the arrays of a batch are known, the first of which has the client's key; `arrays` are their items.

        Each has all of the batch in its digest, and which items it has: the key with another batch is another request,
        and so is a batch that another release has put into other arrays.
        """
        content = "\n".join([batch.items[0].kind, batch.lane, *map(_json, batch.items)])
        digest = _hex(self._digests, caller or "", content)
        return [
            RequestIdentity(
                key=self.key_of(f"{client_key}\0{number}" if number else client_key, caller),
                digest=_hex(self._digests, caller or "", digest, str(number), ",".join(map(str, items_of_one))),
                caller=caller,
                client_key=client_key,
                old_digest="",  # there were no batches
                indices=tuple(range(len(items_of_one))),
            )
            for number, items_of_one in enumerate(arrays)
        ]

    def follow_up_identity(
        self, first: JobMetadata, follow_ups: Mapping[int, JobRequest], client_key: str
    ) -> RequestIdentity:
        """By what the job is known that follows the one with metadata `first`, which was submitted with `client_key`.

        It belongs to that attempt to submit the first, and not to its request: of two duplicates each has its own, and
        when one of them is cancelled, Slurm cancels the one that follows it.
        """
        requests = list(follow_ups.values())
        content = "\n".join([requests[0].kind, *map(_json, requests)])
        return RequestIdentity(
            key=self.follow_up_key(first),
            digest=_hex(self._digests, first.by or "", content),
            caller=first.by,
            client_key=client_key,
            old_digest="",  # there were none
            indices=None if first.things is None else tuple(follow_ups),
        )

    def follow_up_key(self, first: JobMetadata) -> str:
        """The key of the job that follows the one with metadata `first`."""
        return _hex(self._keys, first.by or "", f"{first.tag}\0follow-up")

    def key_of(self, client_key: str, caller: str | None) -> str:
        """What stands in the comment of a job for this key of this caller."""
        return _hex(self._keys, caller or "", client_key)

    def new_tag(self, key: str, digest: str) -> str:
        """A tag for one attempt to submit a job: no other attempt has it, and no other program can make one."""
        nonce = secrets.token_hex(_NONCE_BYTES)
        return nonce + self._seal(key, digest, nonce)

    def has_made(self, job: JobMetadata) -> bool:
        """Whether a bridge has made the job's tag for this key and this request."""
        tag = job.tag or ""
        nonce, seal = tag[: 2 * _NONCE_BYTES], tag[2 * _NONCE_BYTES :]
        return hmac.compare_digest(seal, self._seal(job.key, job.digest, nonce))

    def _seal(self, key: str, digest: str, nonce: str) -> str:
        return _hex(self._seals, key, digest, nonce)

    def _hash_for(self, purpose: bytes, size_bytes: int) -> "hashlib.blake2b":
        return hashlib.blake2b(key=self._secret, digest_size=size_bytes, person=purpose)


def _json(request: JobRequest) -> str:
    # A field that was not given does not count: a new optional one leaves all earlier digests as they are.
    return request.model_dump_json(exclude_defaults=True)


def _hex(keyed: "hashlib.blake2b", *parts: str) -> str:
    digest = keyed.copy()
    digest.update("\0".join(parts).encode())  # no part but the last may hold a NUL
    return digest.hexdigest()


def load_secret(path: Path) -> bytes:
    """The secret in the file at `path`, which is made, readable by its owner only, where it is missing.

    Raises `OSError` where it cannot be read or made, `ValueError` where others may read it or it is too short.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        create_file(path, secrets.token_bytes(_SECRET_BYTES))  # of several bridges that start together one makes it
    refuse_exposed(path, path.stat())
    secret = path.read_bytes()
    if len(secret) < _SECRET_BYTES:
        raise ValueError(f"{path} holds less than {_SECRET_BYTES} bytes: remove it, and a new one is made")
    return secret
