"""Response bodies of the site's `/api/…` and of the signaling endpoints behind them.

A value that could not be read is null, never 0.
"""

import msgspec


class BytesBySource(msgspec.Struct, frozen=True):
    """Segment bytes, by the source that delivered them."""

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
    """Return the fraction of bytes that came from peers, 0 to 1, without start-up.

    `startup` is the part of `received` from segments announced before their viewer was ready.
    Returns None if nothing else was received.
    """
    steady = received - startup
    return steady.p2p / steady.total if steady.total else None


def share_limit(viewers: int, not_sharing: int) -> float | None:
    """Return the highest possible `share` for these viewers, (N-1)/N; None if nobody can share."""
    return None if viewers <= not_sharing else 1 - 1 / (viewers - not_sharing)


MIN_SHARE_BYTES = 5_000_000
"""with fewer bytes than this a share means little"""


class ReplayTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of the viewers of replays; the live stream's are separate."""

    viewers: int = 0
    """connected now"""
    linked: int = 0
    """connected now, with at least one open link"""
    bytes: BytesBySource = BytesBySource()
    """all that they received"""
    uploaded: int = 0
    """bytes that they sent to other viewers"""
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
    """Body of signaling's `/stats`. Bytes and counts are totals since signaling started."""

    viewers: int
    """members of rooms now"""
    broadcasters: int
    """broadcasters connected now: 0 or 1"""
    chunks: int
    """segments announced"""
    rooms: int
    """rooms with at least one member"""
    peers: int
    """members that last reported at least one open link"""
    not_sharing: int
    """viewers that cannot share or may not"""
    bytes: BytesBySource
    """all that viewers received"""
    startup: BytesBySource
    """the part of `bytes` from segments announced before their viewer was ready"""
    recent: BytesBySource
    """`bytes` without `startup`, over the last minutes in which there was somebody to share with"""
    uploaded: int
    """bytes that viewers sent to other viewers"""
    wanted: int
    """bytes of every announced segment, times the viewers on its variant"""
    share: float | None
    """fraction of `bytes` from peers, without `startup`"""
    stalls: int
    latency_s: float | None
    """median over the current members that have reported a latency"""
    live: bool
    stream: str | None
    """Owncast's id of the current stream, or of the last one"""
    replays: ReplayTotals
    """viewers of replays; the other fields do not include them"""


class HistoryColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Body of signaling's `/history` and of `/api/history`: rows, oldest first, by column.

    Bytes and stalls are those reported within the step. A null row is a step that signaling missed
    (the host was suspended, say); what was reported meanwhile is in the next row.
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
    """the part of the three columns above that is start-up"""
    startup_p2p: list[int | None]
    """the part of `p2p` that is start-up"""
    wanted: list[int | None]
    """bytes of the announced segments, times the viewers on their variant"""
    uploaded: list[int | None]
    stalls: list[int | None]
    replays_p2p: list[int | None]
    """received by viewers of replays; the other columns do not include them"""
    replays_store: list[int | None]
    latency_s: list[float | None]
    """median of the viewers that reported one; null if none did"""


class ViewerSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A connected viewer's last report, counted since it joined; null before its first one."""

    id: str
    since: int
    """when it joined, Unix time"""
    variant: int
    """number of the variant that it plays"""
    sharing: bool
    """false: it cannot share or may not"""
    bytes: BytesBySource | None
    startup: BytesBySource | None
    uploaded: int | None
    links: int | None
    """open now"""
    stalls: int | None
    latency_s: float | None


class Viewers(msgspec.Struct, frozen=True):
    """Body of signaling's `/viewers` and of `/api/viewers`."""

    viewers: list[ViewerSummary]
    """in the order they joined"""


class RoomSize(msgspec.Struct, frozen=True, kw_only=True):
    """Summary of a room."""

    room: str
    members: int
    ready: int
    """members that may own slices"""


class RoomMember(msgspec.Struct, frozen=True, kw_only=True):
    """A viewer in a room."""

    id: str
    variant: int
    ready: bool
    weight: int
    """quarters of a full share; 0: receives only"""
    cut: tuple[int, ...]
    """indexes in `members` of those it reports as unreachable"""
    figures: ViewerSummary | None
    """null if it is connected to another process"""


class Push(msgspec.Struct, frozen=True, array_like=True):
    """One member pushes to another. JSON: `[sender, receiver, pieces]`, indexes in `members`."""

    sender: int
    receiver: int
    pieces: int


class RoomTopology(msgspec.Struct, frozen=True, kw_only=True):
    """A room, with its plan for the newest segment of each variant."""

    room: str
    members: list[RoomMember]
    """in the order they joined"""
    pieces: dict[int, int]
    """variant that somebody here plays → pieces of its newest segment"""
    from_store: dict[int, int]
    """index in `members` → pieces that the plan has it fetch from the store"""
    pushes: list[Push]


class RoomsView(msgspec.Struct, frozen=True, kw_only=True):
    """Body of signaling's `/rooms`: the rooms of the process that responds."""

    rooms: list[RoomSize]
    """largest first"""
    apart: int
    """viewers that are not sharing, and so are in no room"""
    picture: RoomTopology | None
    """topology of the requested room, or else of the largest; null if there is no room"""


class PublicStation(msgspec.Struct, frozen=True):
    """Body of `/api/station` for the public."""

    live: bool | None
    viewers: int | None
    share: float | None


class Ec2Video(msgspec.Struct, frozen=True):
    """Bytes of video in the EC2 host's HTTP responses, counted in two places."""

    services: int | None
    """by broadcaster, signaling and site; null if one of them cannot be reached"""
    gateway: int | None
    """by the gateway in front of them; null if there is none, or it cannot be reached"""


class RunningCost(msgspec.Struct, frozen=True, kw_only=True):
    """Cost of the traffic since the services started, in US dollars at list prices."""

    usd: float
    """uploads to the store, requests, and this host's other traffic, but not the host itself"""
    r2_usd: float
    """the same if viewers fetched everything from the store"""
    ec2_direct_usd: float
    """the same if viewers fetched everything from the EC2 host"""
    prices_as_of: str
    """ISO 8601"""


class CountingSince(msgspec.Struct, frozen=True):
    """When each counter started: its process' start time, ISO 8601, UTC; null if unknown."""

    viewers: str | None
    """viewers' reports: since signaling started"""
    services: str | None
    """video sent by the services: since the last of them started"""
    gateway: str | None
    store: str | None


class OperatorStation(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `/api/station` for the operator. See SignalingStats for signaling's fields."""

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
    """bytes of objects by the store's own counter; null if it has none"""
    cost: RunningCost | None
    since: CountingSince
    services: dict[str, msgspec.Raw]
    """each service's `/health`, or `{"status": "unreachable"}`"""


class CounterSample(msgspec.Struct, frozen=True, kw_only=True):
    """The counters at one moment. Each counts from the start of its process.

    null: it could not be read, or this station has no such counter.
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
    """bytes of segments uploaded to the store"""
    seeded: int | None
    """bytes that the torrent seed sent"""
    store_sent: int | None
    """bytes of objects sent, counted by the store"""
    interfaces_sent: int | None
    """bytes that this host sent to the internet, counted by its kernel"""
    requests: dict[str, int | None]
    """HTTP requests by service; signaling's include viewers' messages"""


class CounterHistory(msgspec.Struct, frozen=True):
    """Body of `/api/counters`."""

    started: dict[str, str | None]
    """when each service started, ISO 8601, UTC"""
    rows: list[CounterSample]
    """one a minute for 24 hours, oldest first, then the current one"""
