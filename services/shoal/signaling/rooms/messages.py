"""The messages of `/ws/room` (docs/protocol.md): JSON objects distinguished by `type`."""

from typing import Annotated, NewType

import msgspec

from shoal.announcements import Stream
from shoal.api_types import BytesBySource
from shoal.segments import Descriptor
from shoal.signaling.rooms.plan import FULL_WEIGHT

MemberId = NewType("MemberId", str)
"""short random ASCII; new with every connection"""

Variant = Annotated[int, msgspec.Meta(ge=0, le=255)]
"""a variant; one byte in the header of a piece"""


class Join(msgspec.Struct, frozen=True, tag_field="type", tag="join"):
    """Viewer → signaling: let me join."""

    plan_version: int
    variant: Variant
    token: str = ""
    """join token from /config.json"""
    sharing: bool = True
    """false: this browser cannot or may not share; it is counted, but in no roster"""
    upload: bool = True
    """false: receives from others, and sends them nothing"""
    replay: str | None = None
    """id of the replay that it watches; null: the live stream"""


class Links(msgspec.Struct, frozen=True, tag_field="type", tag="links"):
    """Viewer → signaling: I have no link to these members, and expect none soon."""

    unreachable: Annotated[list[MemberId], msgspec.Meta(max_length=64)] = msgspec.field(name="cut")


class Report(msgspec.Struct, frozen=True, tag_field="type", tag="report"):
    """Viewer → signaling: this member sent a piece with a wrong hash."""

    member: MemberId


class Signal(msgspec.Struct, frozen=True, tag_field="type", tag="signal"):
    """Viewer → signaling: pass `data` on to a member."""

    to: MemberId
    data: msgspec.Raw


class SwitchVariant(msgspec.Struct, frozen=True, tag_field="type", tag="variant"):
    """Viewer → signaling: from now on I play this variant."""

    variant: Variant


class Ready(msgspec.Struct, frozen=True, tag_field="type", tag="ready"):
    """Viewer → signaling: enough of my links are open for me to own slices."""


class Stats(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stats"):
    """Viewer → signaling: my stats since I joined."""

    bytes: BytesBySource
    """everything received for segments"""
    startup: BytesBySource
    """the part of `bytes` from segments announced before I was ready"""
    uploaded: int
    """bytes sent to other viewers"""
    peers: int
    """open links now"""
    stalls: int
    latency_s: float | None = None
    """seconds behind live now; null while unknown"""
    uplink_bps: float | None = None
    """recent throughput to other viewers while the uplink was busy; null while unknown"""


class RosterEntry(msgspec.Struct, frozen=True):
    """One line of the roster."""

    id: MemberId
    variant: int
    ready: bool
    weight: int = FULL_WEIGHT
    """quarters of a full share: 4, 2, 1, or 0 for a member that only receives"""
    unreachable: tuple[int, ...] = msgspec.field(default=(), name="cut")
    """indexes in `members` of those that it has no link to"""


class RosterMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="room"):
    """Signaling → viewer: the roster of its room."""

    room: str
    plan_version: int
    epoch: int
    """rises with every change of the roster"""
    you: MemberId
    origin_share: int = msgspec.field(default=0, name="for_all")
    """thirty-seconds of each segment that everybody fetches from the store"""
    members: tuple[RosterEntry, ...]
    """the members that share, in the order of joining"""


class SegmentMessage(msgspec.Struct, frozen=True, tag_field="type", tag="segment"):
    """Signaling → viewer: a segment was published; its plan uses the roster of `epoch`."""

    epoch: int
    descriptor: Descriptor


class SignalMessage(msgspec.Struct, frozen=True, tag_field="type", tag="signal"):
    """Signaling → viewer: `data` from a member."""

    sender: MemberId = msgspec.field(name="from")
    data: msgspec.Raw


class ErrorMessage(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """Signaling → viewer: why the socket is being closed."""

    code: str
    message: str


FromViewer = Join | Signal | SwitchVariant | Links | Report | Ready | Stats
ToViewer = Stream | RosterMessage | SegmentMessage | SignalMessage | ErrorMessage


class _Envelope(msgspec.Struct, frozen=True):
    type: str


class BadMessageError(ValueError):
    """A frame that is not a valid message; the text says what is wrong with it."""


_KNOWN_TYPES = frozenset({"join", "signal", "variant", "links", "report", "ready", "stats"})
_envelopes = msgspec.json.Decoder(_Envelope)
_messages = msgspec.json.Decoder[FromViewer](FromViewer)
_encoder = msgspec.json.Encoder()


def decode(frame: str | bytes) -> FromViewer | None:
    """Return the message in a text frame, or None if its type is unknown.

    Raises BadMessageError if the frame is not a JSON object with a `type`, or lacks fields that its
    type requires.
    """
    try:
        if _envelopes.decode(frame).type not in _KNOWN_TYPES:
            return None
        return _messages.decode(frame)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadMessageError(str(error)) from error
    except RecursionError as error:
        raise BadMessageError("the JSON is nested too deeply") from error


def encode(message: ToViewer) -> bytes:
    """Return a message as a text frame, UTF-8."""
    return _encoder.encode(message)
