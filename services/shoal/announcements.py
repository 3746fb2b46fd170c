"""What the broadcaster and signaling say to each other on `/broadcaster` (WebSocket, JSON).

The broadcaster opens the socket with `Authorization: Bearer <broadcaster_token>`. Signaling answers
at once with `Resume`, naming the newest segment it has of each rendition; the broadcaster then
sends `Stream`, every `Segment` after those (of a rendition that `Resume` does not name, the newest
six), and goes on with each new one, in order. When a second broadcaster connects, signaling closes
the first one's socket with code 1008. `Swarms` and `Replays` come when it connects, and on every
change.
"""

import msgspec

from shoal.segments import Descriptor


class Stream(msgspec.Struct, frozen=True, tag_field="type", tag="stream"):
    """Broadcaster → signaling: the stream that is on air, or that none is."""

    stream: str | None
    live: bool


class Segment(msgspec.Struct, frozen=True, tag_field="type", tag="segment"):
    """Broadcaster → signaling: a segment was published."""

    descriptor: Descriptor


class Swarms(msgspec.Struct, frozen=True, tag_field="type", tag="swarms"):
    """Broadcaster → signaling: what the tracker is to serve, besides what the seeder announces."""

    info_hashes: tuple[str, ...]
    """p2p-media-loader's, of the playlist of now, 20 ASCII characters each"""
    torrents: tuple[str, ...] = ()
    """v1 infohashes of replays, 20 bytes as Latin-1"""


class KeptReplay(msgspec.Struct, frozen=True):
    """A replay that viewers may share."""

    id: str
    size: int
    """bytes of its segments, of all renditions"""
    duration: float
    """seconds"""


class Replays(msgspec.Struct, frozen=True, tag_field="type", tag="replays"):
    """Broadcaster → signaling: the replays that there are."""

    replays: tuple[KeptReplay, ...]


class Resume(msgspec.Struct, frozen=True, tag_field="type", tag="resume"):
    """Signaling → broadcaster: the newest media sequence it has, by rendition."""

    after: dict[int, int]


class Audience(msgspec.Struct, frozen=True, tag_field="type", tag="audience"):
    """Signaling → broadcaster: what goes on in rooms; sent on every change, gathered."""

    room_peers: int
    """viewers connected now"""
    linked: int = 0
    """of these, those with an open link to another one"""
    uploaded: int = 0
    """bytes that viewers sent each other since signaling started"""


FromBroadcaster = Stream | Segment | Swarms | Replays
ToBroadcaster = Resume | Audience
