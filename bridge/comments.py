"""What the bridge remembers about a job: compact JSON in the job's own comment, so that Slurm is the only database.

Everybody on the cluster can read a job's comment. It holds identities only, never an address or a credential.
"""

import json
from dataclasses import dataclass
from typing import Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class JobComment:
    """Who asked for a job, and for what."""

    kind: str
    thing_uuid: UUID
    request_id: str

    def to_json(self) -> str:
        """The text for `--comment`, e.g. `{"kind":"parse","thing":"ce2b4fb6-…","req":"…"}`."""
        content = {"kind": self.kind, "thing": str(self.thing_uuid), "req": self.request_id}
        return json.dumps(content, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self | None:
        """The comment of one of the bridge's jobs; `None` for any other text."""
        try:
            content = json.loads(text)
            return cls(str(content["kind"]), UUID(content["thing"]), str(content["req"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            return None
