"""Messages between signaling processes ("nodes"), in MessagePack, in numbered batches.

Redis carries these messages and keeps nothing: each node holds a copy of what the others have, and
requests all of it again after missing a batch. So an outage of Redis costs nothing but time.

Routing messages are about rooms: where there is space, who joins, and what members send. A viewer's
node has its socket and knows its room; the room's node has the room. Between the two everything is
in order, or both give up all that they share (`Reset`).
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
    """A peer joined, or has become a seed."""

    peer: SwarmPeer


class PeerLeft(msgspec.Struct, frozen=True, tag_field="t", tag="l"):
    """A peer left."""

    info_hash: InfoHash
    peer_id: PeerId


class TorrentRegistered(msgspec.Struct, frozen=True, tag_field="t", tag="r"):
    """The broadcaster's seeder announced this torrent."""

    info_hash: InfoHash


class Announcement(msgspec.Struct, frozen=True, tag_field="t", tag="a"):
    """The broadcaster announced this, now or earlier."""

    announcement: FromBroadcaster = msgspec.field(name="what")


class BroadcasterMoved(msgspec.Struct, frozen=True, tag_field="t", tag="b"):
    """The broadcaster has connected here: a connection to another node is outdated."""


class Heartbeat(msgspec.Struct, frozen=True, tag_field="t", tag="h"):
    """I am here, and these are my totals."""

    totals: Totals
    rooms: int
    broadcasters: int
    joins: int
    """viewers that ever joined"""
    batches_sent: dict[NodeId, int] = msgspec.field(name="lines")
    """number of the last batch for each node alone"""


class SnapshotRequest(msgspec.Struct, frozen=True, tag_field="t", tag="?"):
    """Asks for all that `node` has; null: for what every node has."""

    node: NodeId | None


class Snapshot(msgspec.Struct, frozen=True, tag_field="t", tag="e"):
    """One part of all that a node has; after the last part, it has no peers but those named."""

    first: bool
    last: bool
    peers: list[SwarmPeer]


class RoomSummary(msgspec.Struct, frozen=True, array_like=True):
    """A room of the sending node; size 0: there is no room of that name any more."""

    room: str
    size: int
    by_variant: dict[int, int]
    """members by variant"""


class RoomSummaries(msgspec.Struct, frozen=True, tag_field="t", tag="rooms"):
    """To all nodes: these rooms have changed; if complete, there are no others."""

    plan_version: int
    """members with another version cannot join these rooms"""
    summaries: list[RoomSummary] = msgspec.field(name="lines")
    is_complete: bool = msgspec.field(name="all")


class JoiningMember(msgspec.Struct, frozen=True, array_like=True):
    """A viewer that asks to join a room."""

    member: MemberId
    variant: int
    upload: bool
    address: str


class JoinRequest(msgspec.Struct, frozen=True, tag_field="t", tag="come"):
    """Viewers' node → room's node: let these join."""

    members: list[JoiningMember] = msgspec.field(name="comers")
    room: str
    limit: int
    """reject them if the room had more members with them"""
    relocated: bool = msgspec.field(name="moved")
    """whether they come from another room and have links to each other; if not, this is one new
    viewer, which can join any room"""


class JoinAccepted(msgspec.Struct, frozen=True, tag_field="t", tag="taken"):
    """Room's node → viewers' node: these have joined."""

    members: list[MemberId]


class JoinRejected(msgspec.Struct, frozen=True, tag_field="t", tag="refused"):
    """Room's node → viewers' node: there is no space for these."""

    members: list[MemberId]


class MembersLeft(msgspec.Struct, frozen=True, tag_field="t", tag="gone"):
    """Viewers' node → room's node: these have left, moved, or withdraw their request."""

    members: list[MemberId]


class MemberMessage(msgspec.Struct, frozen=True, tag_field="t", tag="said"):
    """Viewer's node → room's node: a member's message, as it came on its socket."""

    member: MemberId
    frame: bytes


class Deliver(msgspec.Struct, frozen=True, tag_field="t", tag="told"):
    """Room's node → viewers' node: send this frame on."""

    to: list[MemberId]
    frame: bytes
    droppable: bool = msgspec.field(name="relayed")
    """whether another member caused it, so that it may be dropped"""


class DeliverRoster(msgspec.Struct, frozen=True, tag_field="t", tag="roster"):
    """Room's node → viewers' node: send this `room` on, with each member's own id as `you`."""

    room: str
    to: list[MemberId]
    frame: bytes


class ExpelMember(msgspec.Struct, frozen=True, tag_field="t", tag="expelled"):
    """Room's node → viewer's node: this member sends bad pieces."""

    member: MemberId


class RelocateMembers(msgspec.Struct, frozen=True, tag_field="t", tag="move"):
    """Room's node → viewers' node: a room of `node` would be better for these."""

    members: list[MemberId]
    node: NodeId
    room: str
    limit: int


class Reset(msgspec.Struct, frozen=True, tag_field="t", tag="reset"):
    """I lost track of you: neither of us has members in the other's rooms any more."""


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
    """The messages of a node from one turn of its event loop."""

    node: NodeId
    number: int | None
    """one more than in the batch before; null: for one node alone"""
    messages: list[NodeMessage]
    node_number: int | None = None
    """for one node alone: one more than in the batch before; null: not counted"""


_decoder = msgspec.msgpack.Decoder(Batch)
_encoder = msgspec.msgpack.Encoder()


def decode(data: bytes) -> Batch:
    """Decode a batch; raises msgspec.DecodeError."""
    return _decoder.decode(data)


def encode(batch: Batch) -> bytes:
    """Encode a batch."""
    return _encoder.encode(batch)
