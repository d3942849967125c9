"""What the bridge remembers about a job: compact JSON in the job's own comment, so that Slurm is the only database.

Everybody on the cluster can read a job's comment. It holds identities only, never an address or a credential.
"""

import json
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from pydantic_core import to_json

COMMENT_START = '{"kind":'  # of every comment that `JobComment.to_json` makes, and cheap to look for


@dataclass(frozen=True, slots=True)
class JobComment:
    """Who asked for a job, and for what."""

    kind: str
    thing_uuid: UUID
    request_id: str
    key: str  # the client's Idempotency-Key, or one made up for this submission
    digest: str  # of the request; see bridge.identity
    by: str | None = None  # the caller's name, where callers have to say who they are

    def to_json(self) -> str:
        """The text for `--comment`, e.g. `{"kind":"parse","thing":"ce2b4fb6-…","req":"…","key":"…","dig":"…"}`."""
        content = {
            "kind": self.kind,
            "thing": self.thing_uuid,
            "req": self.request_id,
            "key": self.key,
            "dig": self.digest,
            **({} if self.by is None else {"by": self.by}),
        }
        return to_json(content).decode()

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """The comment of one of the bridge's jobs; `None` for any other text."""
        try:
            content = json.loads(text)
            return cls(
                kind=str(content["kind"]),
                thing_uuid=UUID(content["thing"]),
                request_id=str(content["req"]),
                key=str(content["key"]),
                digest=str(content["dig"]),
                by=str(content["by"]) if "by" in content else None,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def comment_of(job: Any) -> str:
    """The comment of one of pyslurm's jobs, or of its accounting records."""
    try:
        return job.comment or ""
    except UnicodeDecodeError:
        return ""  # bytes that are no text: another program's
