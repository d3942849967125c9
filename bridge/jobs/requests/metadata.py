"""What the bridge remembers about a job: compact JSON in the job's own comment, so that Slurm is the only database.

Everybody on the cluster can read a job's comment. It holds identities only, never an address or a credential.
"""

import re
from typing import Annotated
from uuid import UUID

import msgspec

from bridge.core.text import CALLER_NAME, CLIENT_ID
from bridge.jobs.requests.array_things import ARRAY_THINGS, run_of, thing_of
from bridge.slurm.job_ids import JOB_NUMBER

# A job that another one is to follow is submitted to begin so much later, and let begin as soon as both are there: the
# bridge may end in between, and a job that has begun cannot be taken back.
HELD_SECONDS = 365 * 24 * 3600


def _whole(pattern: re.Pattern[str]) -> msgspec.Meta:
    return msgspec.Meta(pattern=rf"^(?:{pattern.pattern})\Z")


_Id = Annotated[str, _whole(CLIENT_ID)]
_CallerName = Annotated[str, _whole(CALLER_NAME)]
_Attempts = Annotated[int, msgspec.Meta(ge=2, le=100)]
_ArrayThings = Annotated[str, _whole(ARRAY_THINGS)]
_JobNumbers = Annotated[str, msgspec.Meta(pattern=rf"^{JOB_NUMBER.pattern}(,{JOB_NUMBER.pattern})*\Z")]


class JobMetadata(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who asked for a job, and for what. It is read by the patterns by which it is made."""

    kind: _Id
    thing_uuid: UUID = msgspec.field(name="thing")
    request_id: _Id = msgspec.field(name="req")
    key: _Id  # these two: see `RequestIdentity`
    digest: _Id = msgspec.field(name="dig")
    by: _CallerName | None = None  # the caller's name, where callers have to say who they are
    tag: _Id | None = None  # see `IdentityHashes.new_tag`; jobs of older releases have none, and other keys and digests
    things: _ArrayThings | None = None  # of the elements of an array, the first of which works for `thing_uuid`
    lane: _Id | None = None  # None: jobs of the live lane
    attempts: _Attempts | None = None  # how often it may run, after passing faults; None: once
    qaqc: bool = False  # a quality-control job follows it, and is known by `IdentityHashes.follow_up_key`
    after: _JobNumbers | None = None  # the job that this one follows, or the array: element follows element
    # Of a job for which others may come that follow jobs of the same thing: until when one of these may replace it.
    until: int | None = None  # in seconds since the epoch; 0: an element follows all of its thing in an array
    instead: _JobNumbers | None = None  # those that it has replaced, with which it shares the jobs that they follow

    def key_of(self, index: int | None) -> str:
        """The key of the element with this index of an array: its own, as each is submitted once. `None`: no array."""
        return self.key if index is None else element_key(self.key, index)

    def thing_of(self, index: int | None) -> UUID:
        """For which thing the element with this index works. `None`: the job is no array."""
        return (
            self.thing_uuid if index is None or self.things is None else thing_of(self.thing_uuid, self.things, index)
        )

    def after_ids(self, index: int | None) -> list[str]:
        """The ids of the jobs that the element with this index follows; the last one is that of its own request."""
        if self.after is None:
            return []
        if index is None:
            return self.after.split(",")
        indices = range(index, index + 1) if self.until is None else self.run_of(index)
        return [f"{self.after}_{one}" for one in indices]

    def run_of(self, index: int) -> range:
        """The indices of the elements of its array that work for the same thing."""
        return range(index, index + 1) if self.things is None else run_of(self.things, index)

    @property
    def dependency(self) -> str | None:
        """What Slurm is told of the jobs that this one follows. `None`: it follows none."""
        if self.after is None:
            return None
        if "," in self.after or self.until == 0:  # one may fail: the data of the others are checked all the same
            return f"afterany:{self.after.replace(',', ':')}"
        return f"afterok:{self.after}" if self.things is None else f"aftercorr:{self.after}"

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


def element_key(key: str, index: int) -> str:
    """The key of an element of an array that has `key`."""
    return f"{key}_{index}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(JobMetadata)
