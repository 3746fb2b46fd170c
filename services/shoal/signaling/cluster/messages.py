"""What signaling processes ("nodes") tell each other, in MessagePack, in numbered batches.

Redis carries these messages and keeps nothing: each node holds a copy of what the others have, and
asks for all of it anew when it has missed a batch. So nothing is lost with Redis but time. What is
said of rooms is in `seating.py`.
"""

import msgspec

from shoal.announcements import FromBroadcaster
from shoal.signaling.cluster.seating import NodeId, Seating
from shoal.signaling.stats.totals import Totals
from shoal.signaling.tracker.messages import InfoHash, PeerId
from shoal.signaling.tracker.remote_peers import Relay, SwarmPeer


class Joined(msgspec.Struct, frozen=True, tag_field="t", tag="j"):
    """A peer came, or is a seed now."""

    peer: SwarmPeer


class Left(msgspec.Struct, frozen=True, tag_field="t", tag="l"):
    """A peer went."""

    info_hash: InfoHash
    peer_id: PeerId


class Registered(msgspec.Struct, frozen=True, tag_field="t", tag="r"):
    """The broadcaster's seeder announced this torrent."""

    info_hash: InfoHash


class Announced(msgspec.Struct, frozen=True, tag_field="t", tag="a"):
    """The broadcaster said this, or once did."""

    what: FromBroadcaster


class TookOver(msgspec.Struct, frozen=True, tag_field="t", tag="b"):
    """The broadcaster has connected here: another node's is an old one."""


class Beat(msgspec.Struct, frozen=True, tag_field="t", tag="h"):
    """Here I am, and these are my sums."""

    totals: Totals
    rooms: int
    broadcasters: int
    joins: int
    """viewers that ever came"""
    lines: dict[NodeId, int]
    """batches that were said to each node alone"""


class Ask(msgspec.Struct, frozen=True, tag_field="t", tag="?"):
    """Somebody lacks what `node` has; null: what everybody has."""

    node: NodeId | None


class Everything(msgspec.Struct, frozen=True, tag_field="t", tag="e"):
    """A part of all that this node has; after the last part, it has no peers but those named."""

    first: bool
    last: bool
    peers: list[SwarmPeer]


Message = (
    Joined | Left | Registered | Announced | TookOver | Beat | Ask | Everything | Relay | Seating
)


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """What a node said in one turn."""

    node: NodeId
    number: int | None
    """one more than that of the batch before; null: to one node alone"""
    messages: list[Message]
    line: int | None = None
    """to one node alone: one more than that of the batch before; null: not counted either"""


_decoder = msgspec.msgpack.Decoder(Batch)
_encoder = msgspec.msgpack.Encoder()


def decode(data: bytes) -> Batch:
    """Read a batch; raises msgspec.DecodeError."""
    return _decoder.decode(data)


def encode(batch: Batch) -> bytes:
    """Return a batch's bytes."""
    return _encoder.encode(batch)
