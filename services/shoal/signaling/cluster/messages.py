"""What signaling processes ("nodes") tell each other, in MessagePack, in numbered batches.

Redis carries these messages and keeps nothing: each node holds a copy of what the others have, and
asks for all of it anew when it has missed a batch. So nothing is lost with Redis but time. What is
said of rooms is in `seating.py`.
"""

from typing import NewType

import msgspec

from shoal.announcements import FromBroadcaster
from shoal.signaling.rooms.messages import MemberId
from shoal.signaling.stats.totals import Totals
from shoal.signaling.tracker.messages import InfoHash, PeerId
from shoal.signaling.tracker.remote_peers import ForwardedDescription, SwarmPeer

NodeId = NewType("NodeId", str)
"""random; new with every process"""


class PeerJoined(msgspec.Struct, frozen=True, tag_field="t", tag="j"):
    """A peer came, or is a seed now."""

    peer: SwarmPeer


class PeerLeft(msgspec.Struct, frozen=True, tag_field="t", tag="l"):
    """A peer went."""

    info_hash: InfoHash
    peer_id: PeerId


class TorrentRegistered(msgspec.Struct, frozen=True, tag_field="t", tag="r"):
    """The broadcaster's seeder announced this torrent."""

    info_hash: InfoHash


class Announcement(msgspec.Struct, frozen=True, tag_field="t", tag="a"):
    """The broadcaster said this, or once did."""

    announcement: FromBroadcaster = msgspec.field(name="what")


class BroadcasterMoved(msgspec.Struct, frozen=True, tag_field="t", tag="b"):
    """The broadcaster has connected here: another node's is an old one."""


class Heartbeat(msgspec.Struct, frozen=True, tag_field="t", tag="h"):
    """Here I am, and these are my sums."""

    totals: Totals
    rooms: int
    broadcasters: int
    joins: int
    """viewers that ever came"""
    batches_sent: dict[NodeId, int] = msgspec.field(name="lines")
    """batches that were said to each node alone"""


class SnapshotRequest(msgspec.Struct, frozen=True, tag_field="t", tag="?"):
    """Somebody lacks what `node` has; null: what everybody has."""

    node: NodeId | None


class Snapshot(msgspec.Struct, frozen=True, tag_field="t", tag="e"):
    """A part of all that this node has; after the last part, it has no peers but those named."""

    first: bool
    last: bool
    peers: list[SwarmPeer]


class RoomSummary(msgspec.Struct, frozen=True, array_like=True):
    """A room of the node that says so; size 0: there is none of that name any more."""

    room: str
    size: int
    by_variant: dict[int, int]
    """members by rendition"""


class RoomSummaries(msgspec.Struct, frozen=True, tag_field="t", tag="rooms"):
    """To everybody: these rooms have changed; or `all` that there are."""

    plan_version: int
    """members with another one can sit in none of them"""
    summaries: list[RoomSummary] = msgspec.field(name="lines")
    is_complete: bool = msgspec.field(name="all")


class JoiningMember(msgspec.Struct, frozen=True, array_like=True):
    """A viewer that asks for a seat."""

    member: MemberId
    variant: int
    upload: bool
    address: str


class JoinRequest(msgspec.Struct, frozen=True, tag_field="t", tag="come"):
    """Viewers' node → room's node: give these a seat."""

    members: list[JoiningMember] = msgspec.field(name="comers")
    room: str
    limit: int
    """not if the room had more members with them"""
    relocated: bool = msgspec.field(name="moved")
    """whether they come from another room, linked with each other; else one newcomer, which may as
    well sit in another room"""


class JoinAccepted(msgspec.Struct, frozen=True, tag_field="t", tag="taken"):
    """Room's node → viewers' node: these have their seats."""

    members: list[MemberId]


class JoinRejected(msgspec.Struct, frozen=True, tag_field="t", tag="refused"):
    """Room's node → viewers' node: there is no space."""

    members: list[MemberId]


class MembersLeft(msgspec.Struct, frozen=True, tag_field="t", tag="gone"):
    """Viewers' node → room's node: these have left, or sit elsewhere now, or need no seat."""

    members: list[MemberId]


class MemberMessage(msgspec.Struct, frozen=True, tag_field="t", tag="said"):
    """Viewer's node → room's node: a member's message, as on its socket."""

    member: MemberId
    frame: bytes


class Deliver(msgspec.Struct, frozen=True, tag_field="t", tag="told"):
    """Room's node → viewers' node: pass this frame on."""

    to: list[MemberId]
    frame: bytes
    droppable: bool = msgspec.field(name="relayed")
    """whether another member caused it: it may be lost"""


class DeliverRoster(msgspec.Struct, frozen=True, tag_field="t", tag="roster"):
    """Room's node → viewers' node: pass this `room` on, with each one's own id for `you`."""

    room: str
    to: list[MemberId]
    frame: bytes


class ExpelMember(msgspec.Struct, frozen=True, tag_field="t", tag="expelled"):
    """Room's node → viewer's node: this one sends bad pieces."""

    member: MemberId


class RelocateMembers(msgspec.Struct, frozen=True, tag_field="t", tag="move"):
    """Room's node → viewers' node: these would sit better in a room of `node`."""

    members: list[MemberId]
    node: NodeId
    room: str
    limit: int


class Reset(msgspec.Struct, frozen=True, tag_field="t", tag="reset"):
    """I lost track of you: nobody of mine sits with you any more, and nobody of yours with me."""


RoutingMessage = (
    RoomSummaries
    | JoinRequest
    | JoinAccepted
    | JoinRejected
    | MembersLeft
    | MemberMessage
    | Deliver
    | DeliverRoster
    | ExpelMember
    | RelocateMembers
    | Reset
)

NodeMessage = (
    PeerJoined
    | PeerLeft
    | TorrentRegistered
    | Announcement
    | BroadcasterMoved
    | Heartbeat
    | SnapshotRequest
    | Snapshot
    | ForwardedDescription
    | RoutingMessage
)


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a node said in one turn."""

    node: NodeId
    number: int | None
    """one more than that of the batch before; null: to one node alone"""
    messages: list[NodeMessage]
    node_number: int | None = None
    """to one node alone: one more than that of the batch before; null: not counted either"""


_decoder = msgspec.msgpack.Decoder(Batch)
_encoder = msgspec.msgpack.Encoder()


def decode(data: bytes) -> Batch:
    """Read a batch; raises msgspec.DecodeError."""
    return _decoder.decode(data)


def encode(batch: Batch) -> bytes:
    """Return a batch's bytes."""
    return _encoder.encode(batch)
