"""What the station says about itself: the bodies of `/api/…`, and of what signaling says for them.

A value that could not be asked for is null, never 0.
"""

import msgspec


class BytesBySource(msgspec.Struct, frozen=True):
    """Bytes of segments, by the source that delivered them."""

    p2p: int = 0
    """from other viewers"""
    store: int = 0
    """from the object store"""
    seed: int = 0
    """from the torrent seed"""

    @property
    def total(self) -> int:
        """Bytes from all sources."""
        return self.p2p + self.store + self.seed

    def __add__(self, other: "BytesBySource") -> "BytesBySource":
        return BytesBySource(self.p2p + other.p2p, self.store + other.store, self.seed + other.seed)

    def __sub__(self, other: "BytesBySource") -> "BytesBySource":
        return BytesBySource(self.p2p - other.p2p, self.store - other.store, self.seed - other.seed)


def share(received: BytesBySource, startup: BytesBySource) -> float | None:
    """Return peers' part of what was received, start-up apart, 0 to 1; None while that is nothing.

    `startup` is the part of `received` that belongs to segments announced before their viewer was
    ready.
    """
    steady = received - startup
    return steady.p2p / steady.total if steady.total else None


def share_limit(viewers: int, not_sharing: int) -> float | None:
    """Return what `share` can be with these viewers, (N-1)/N; None while nobody can share."""
    return None if viewers <= not_sharing else 1 - 1 / (viewers - not_sharing)


TELLING_BYTES = 5_000_000
"""over less than that a share says nothing"""


class ReplayTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over those who watch replays, apart from the live stream's."""

    viewers: int = 0
    """present ones"""
    linked: int = 0
    """present ones with at least one open link"""
    bytes: BytesBySource = BytesBySource()
    """everything that they received"""
    uploaded: int = 0
    """bytes that they sent to each other"""
    stalls: int = 0

    def __add__(self, other: "ReplayTotals") -> "ReplayTotals":
        return ReplayTotals(
            viewers=self.viewers + other.viewers,
            linked=self.linked + other.linked,
            bytes=self.bytes + other.bytes,
            uploaded=self.uploaded + other.uploaded,
            stalls=self.stalls + other.stalls,
        )


class SignalingStats(msgspec.Struct, frozen=True, kw_only=True):
    """Body of signaling's `/stats`. Bytes and counts run since signaling started."""

    viewers: int
    """members of rooms now"""
    broadcasters: int
    """broadcasters connected now: 0 or 1"""
    chunks: int
    """segments announced"""
    rooms: int
    """rooms with at least one member"""
    peers: int
    """members whose last report said that at least one link is open"""
    not_sharing: int
    """members that cannot share, or may not"""
    bytes: BytesBySource
    """everything that viewers received"""
    startup: BytesBySource
    """the part of `bytes` from segments announced before their viewer was ready"""
    recent: BytesBySource
    """`bytes` without `startup`, of the last minutes with somebody to share with"""
    uploaded: int
    """bytes that viewers sent to each other"""
    wanted: int
    """bytes of every announced segment, times the viewers that were on its rendition"""
    share: float | None
    """peers' part of `bytes` without `startup`"""
    stalls: int
    latency_s: float | None
    """median over the members now that know how far behind live they are"""
    live: bool
    stream: str | None
    """Owncast's id of the stream that is, or was last, on air"""
    replays: ReplayTotals
    """who watches replays is in none of the other figures"""


class HistoryColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Body of signaling's `/history` and of `/api/history`: rows, oldest first, by column.

    Bytes and stalls are what was reported within the step. A row that is null is a step that
    signaling slept over: what was reported meanwhile is in the row after it.
    """

    step_s: int
    at: list[int]
    """Unix time of each step's end"""
    viewers: list[int | None]
    linked: list[int | None]
    """viewers with at least one open link"""
    rooms: list[int | None]
    p2p: list[int | None]
    store: list[int | None]
    seed: list[int | None]
    startup: list[int | None]
    """the part of these three that belongs to viewers' start-up"""
    startup_p2p: list[int | None]
    """the part of `p2p` that does"""
    wanted: list[int | None]
    """segments that were announced, as often as viewers were on their rendition"""
    uploaded: list[int | None]
    stalls: list[int | None]
    replays_p2p: list[int | None]
    """what viewers of replays received, who are in none of the other columns"""
    replays_store: list[int | None]
    latency_s: list[float | None]
    """median of the viewers that knew it; null also where none did"""


class ViewerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one present viewer reported last, since it joined; null before its first report."""

    id: str
    since: int
    """when it joined, Unix time"""
    variant: int
    """the rendition that it is on"""
    sharing: bool
    """false: it cannot share, or may not"""
    bytes: BytesBySource | None
    startup: BytesBySource | None
    uploaded: int | None
    links: int | None
    """open now"""
    stalls: int | None
    latency_s: float | None


class Viewers(msgspec.Struct, frozen=True):
    """Body of signaling's `/viewers` and of `/api/viewers`."""

    viewers: list[ViewerFigures]
    """in the order of joining"""


class RoomSize(msgspec.Struct, frozen=True, kw_only=True):
    """One room, in short."""

    room: str
    members: int
    ready: int
    """of them, those that can be given slices"""


class RoomMember(msgspec.Struct, frozen=True, kw_only=True):
    """One viewer in its room."""

    id: str
    variant: int
    ready: bool
    weight: int
    """quarters of a full share; 0: receives only"""
    cut: tuple[int, ...]
    """places in `members` of those that it says it has no link to"""
    figures: ViewerFigures | None
    """null where its socket is at another process"""


class Push(msgspec.Struct, frozen=True, array_like=True):
    """Who pushes to whom, in JSON `[sender, receiver, pieces]`; the two are places in `members`."""

    sender: int
    receiver: int
    pieces: int


class RoomPicture(msgspec.Struct, frozen=True, kw_only=True):
    """One room, and how it shares out the newest segment of each rendition: the plan for it."""

    room: str
    members: list[RoomMember]
    """in the order of coming"""
    pieces: dict[int, int]
    """how many pieces the newest segment has, by rendition that somebody here plays"""
    from_store: dict[int, int]
    """place in `members` → pieces of these that the plan has it fetch from the store"""
    pushes: list[Push]


class RoomsView(msgspec.Struct, frozen=True, kw_only=True):
    """Body of signaling's `/rooms`: the rooms of the process that answers."""

    rooms: list[RoomSize]
    """the largest first"""
    apart: int
    """viewers that cannot or may not share, which sit in no room"""
    picture: RoomPicture | None
    """of the room that was asked for, else of the largest; null without a room"""


class PublicStation(msgspec.Struct, frozen=True):
    """Body of `/api/station` for everybody."""

    live: bool | None
    viewers: int | None
    share: float | None


class Ec2Video(msgspec.Struct, frozen=True):
    """Bytes of video in HTTP responses of the EC2 host, counted at two places."""

    services: int | None
    """by broadcaster, signaling and site; null while one of them cannot be asked"""
    gateway: int | None
    """by the gateway in front of them; null where there is none, or it cannot be asked"""


class RunningCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the traffic has cost since the services started, US dollars at list prices."""

    usd: float
    """upload to the store, requests, and what else this host sent; the host itself apart"""
    r2_usd: float
    """what it would be if viewers had everything from the store"""
    ec2_direct_usd: float
    """what it would be if viewers had everything from the EC2 host"""
    prices_as_of: str
    """ISO 8601"""


class CountingSince(msgspec.Struct, frozen=True):
    """When each counter began, ISO 8601, UTC: its process' start; null where that is not known."""

    viewers: str | None
    """what viewers report: since signaling started"""
    services: str | None
    """video by the services: since the last of them started"""
    gateway: str | None
    store: str | None


class OperatorStation(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/api/station` for the operator. Signaling's figures are as in SignalingStats."""

    live: bool | None
    viewers: int | None
    peers: int | None
    not_sharing: int | None
    share: float | None
    bytes: BytesBySource | None
    startup: BytesBySource | None
    recent: BytesBySource | None
    uploaded: int | None
    stalls: int | None
    latency_s: float | None
    chunks: int | None
    rooms: int | None
    replays: ReplayTotals | None
    ec2_video: Ec2Video
    store_sent: int | None
    """bytes of objects that the store itself counted; null where it has no counter"""
    cost: RunningCost | None
    since: CountingSince
    services: dict[str, msgspec.Raw]
    """each service's `/health`, or `{"status": "unreachable"}`"""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What the counters said at one moment, since their processes started.

    null: it could not be asked for, or there is no such counter here.
    """

    at: int
    """Unix time"""
    services_video: int | None
    """bytes of video in responses, counted by broadcaster, signaling and site"""
    gateway_video: int | None
    """the same, counted by the gateway in front of them"""
    responses: int | None
    """bytes of all bodies that the three services sent"""
    stored: int | None
    """bytes of segments that were brought to the store"""
    seeded: int | None
    """bytes that the torrent seed sent"""
    store_sent: int | None
    """bytes of objects, counted by the store"""
    interfaces_sent: int | None
    """bytes that this host sent to the internet, counted by its kernel"""
    requests: dict[str, int | None]
    """HTTP requests by service; signaling's with the messages of viewers"""


class Counters(msgspec.Struct, frozen=True):
    """Body of `/api/counters`."""

    started: dict[str, str | None]
    """when each service started, ISO 8601, UTC"""
    rows: list[Counts]
    """one a minute for 24 hours, oldest first, and that of now"""
