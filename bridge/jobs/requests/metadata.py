"""What the bridge remembers about a job: compact JSON in the job's own comment, so that Slurm is the only database.

Everybody on the cluster can read a job's comment. It holds identities only, never an address or a credential.
"""

import re
from typing import Annotated
from uuid import UUID

import msgspec

from bridge.core.text import CALLER_NAME, CLIENT_ID


def _whole(pattern: re.Pattern[str]) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"^(?:{pattern.pattern})\Z")


_Id = Annotated[str, _whole(CLIENT_ID)]
_CallerName = Annotated[str, _whole(CALLER_NAME)]


class JobMetadata(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who asked for a job, and for what. It is read by the patterns by which it is made."""

    kind: _Id
    thing_uuid: UUID = msgspec.field(name="thing")
    request_id: _Id = msgspec.field(name="req")
    key: _Id  # these two: see `RequestIdentity`
    digest: _Id = msgspec.field(name="dig")
    by: _CallerName | None = None  # the caller's name, where callers have to say who they are
    tag: _Id | None = None  # see `IdentityHashes.new_tag`; jobs of older releases have none, and other keys and digests

    def to_json(self) -> str:
        """The text for `--comment`: `{"kind":"parse","thing":"ce2b4fb6-…","req":"…","key":"…","dig":"…","tag":"…"}`."""
        return _encoder.encode(self).decode()

    @staticmethod
    def from_json(text: str) -> "JobMetadata | None":
        """The comment of one of the bridge's jobs; `None` for any other text."""
        try:
            return _decoder.decode(text)
        except (ValueError, RecursionError):
            return None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JobMetadata)
