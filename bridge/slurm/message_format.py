"""Which messages are requests and which are replies, and how both travel: as msgpack.

A message is of its type on receipt or refused, so that no process can make another one run code.
"""

import msgspec

from bridge.slurm.messages import (
    Acceptable,
    AskCluster,
    AskController,
    Bug,
    Cancel,
    Cancelled,
    ClusterFacts,
    ControllerFacts,
    Failure,
    Find,
    FindPast,
    Found,
    JobDescriptor,
    LoadPast,
    LoadQueue,
    NotSent,
    Past,
    Ping,
    Pinged,
    QueueChange,
    Ready,
    Release,
    Released,
    Requeued,
    RequeueJobs,
    Submitted,
    TrySubmission,
    Verified,
    VerifyToken,
)

Request = (
    JobDescriptor
    | Find
    | Ping
    | LoadQueue
    | Cancel
    | Release
    | RequeueJobs
    | AskController
    | AskCluster
    | TrySubmission
    | FindPast
    | LoadPast
    | VerifyToken
)
Reply = (
    Ready
    | Submitted
    | Found
    | Pinged
    | QueueChange
    | Cancelled
    | Released
    | Requeued
    | ControllerFacts
    | ClusterFacts
    | Acceptable
    | Past
    | Verified
    | Failure
    | NotSent
    | Bug
)

_encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(Request)
_reply_decoder = msgspec.msgpack.Decoder(Reply)


def to_bytes(message: Request | Reply) -> bytes:
    """For `to_request` or `to_reply` in another process. Raises `UnicodeEncodeError` for text with lone surrogates."""
    return _encoder.encode(message)


def to_request(data: bytes | bytearray | memoryview) -> Request:
    """The request. Raises `msgspec.ValidationError` or `msgspec.DecodeError` where it is none."""
    request: Request = _request_decoder.decode(data)
    return request


def to_reply(data: bytes | bytearray | memoryview) -> Reply:
    """The reply. Raises what `to_request` raises."""
    reply: Reply = _reply_decoder.decode(data)
    return reply
