"""Messages between the broadcaster and signaling on `/broadcaster` (WebSocket, JSON).

The broadcaster connects with `Authorization: Bearer <broadcaster_token>`. Signaling responds at
once with `Resume`, which names the newest segment it has of each variant. The broadcaster then
sends `Stream`, every `Segment` after those (or the newest six of a variant that `Resume` does not
name), and from then on each new one, in order. When a second broadcaster connects, signaling closes
the first one's WebSocket with code 1008. `Swarms` and `Replays` are sent after connecting and on
every change.
"""

import msgspec

from shoal.segments import Descriptor


class Stream(msgspec.Struct, frozen=True, tag_field="type", tag="stream"):
    """Broadcaster → signaling: the newest stream, and whether it is on air."""

    stream: str | None
    live: bool


class Segment(msgspec.Struct, frozen=True, tag_field="type", tag="segment"):
    """Broadcaster → signaling: a segment was published."""

    descriptor: Descriptor


class Swarms(msgspec.Struct, frozen=True, tag_field="type", tag="swarms"):
    """Broadcaster → signaling: what the tracker serves besides the torrents that the seeder has."""

    info_hashes: tuple[str, ...]
    """p2p-media-loader's, for the current playlist, 20 ASCII characters each"""
    torrents: tuple[str, ...] = ()
    """v1 infohashes of replays, 20 bytes each, as Latin-1"""


class KeptReplay(msgspec.Struct, frozen=True):
    """A replay that viewers may share."""

    id: str
    size: int
    """bytes of its segments, in all variants"""
    duration: float
    """seconds"""


class Replays(msgspec.Struct, frozen=True, tag_field="type", tag="replays"):
    """Broadcaster → signaling: all replays that viewers may share."""

    replays: tuple[KeptReplay, ...]


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume"):
    """Signaling → broadcaster: the newest media sequence it has, by variant."""

    after: dict[int, int]


class Audience(msgspec.Struct, frozen=True, tag_field="type", tag="audience"):
    """Signaling → broadcaster: what happens in rooms; changes are sent in batches."""

    room_peers: int
    """viewers connected now"""
    linked: int = 0
    """those of them that have an open link to another viewer"""
    uploaded: int = 0
    """bytes that viewers have sent each other since signaling started"""


FromBroadcaster = Stream | Segment | Swarms | Replays
ToBroadcaster = Resume | Audience
