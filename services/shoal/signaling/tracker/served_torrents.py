"""The torrents that the tracker serves, and to whom.

There are two kinds. Swarms in which p2p-media-loader shares this station's live stream are served
to clients with a join token. Torrents that the broadcaster's own seeder has announced, and those of
replays, are served to everybody, because other seeders and desktop clients have no token. Plain;
times are seconds of a monotonic clock.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from shoal.signaling.access import TokenVerdict
from shoal.signaling.tracker.messages import InfoHash

REGISTRATION_S = 900.0
"""a torrent is served this long after the seeder's last announce; the seeder announces every 120
s"""
MAX_REGISTERED = 10_000
MAX_REPLAY_TORRENTS = 1024
MAX_LIVE_SWARMS = 1024
"""swarms; a stream has one for each variant"""


@dataclass(frozen=True)
class Credentials:
    """What a client presented when it connected."""

    token: TokenVerdict
    is_seeder: bool
    """whether it is the broadcaster's own"""


class ServedTorrents:
    """The torrents that are served."""

    def __init__(self) -> None:
        self._live_swarms: dict[InfoHash, None] = {}
        self.on_registered: Callable[[InfoHash], None] | None = None
        """called when the broadcaster's seeder has announced a torrent here"""
        self._registered: dict[InfoHash, float] = {}
        """until when each is served, in that order"""
        self._replay_torrents: dict[InfoHash, None] = {}

    def __iter__(self) -> Iterator[InfoHash]:
        yield from self._live_swarms
        yield from self._registered
        yield from self._replay_torrents.keys() - self._registered.keys()

    def add_live_swarms(self, info_hashes: Collection[InfoHash]) -> None:
        """Serve these swarms of p2p-media-loader; earlier ones stay, for older playlists."""
        _append_newest(self._live_swarms, info_hashes, MAX_LIVE_SWARMS)

    def add_replay_torrents(self, info_hashes: Collection[InfoHash]) -> None:
        """Serve the torrents of replays to everybody."""
        _append_newest(self._replay_torrents, info_hashes, MAX_REPLAY_TORRENTS)

    def refusal(self, info_hash: InfoHash, credentials: Credentials, now_s: float) -> str | None:
        """Return the code of a refusal to serve a torrent to a client, or None."""
        if credentials.is_seeder:
            self.register(info_hash, now_s)
            if self.on_registered is not None:
                self.on_registered(info_hash)
            return None
        if self._registered.get(info_hash, 0) > now_s or info_hash in self._replay_torrents:
            return None
        if info_hash not in self._live_swarms:
            return "unknown_torrent"
        return None if credentials.token == "ok" else f"token_{credentials.token}"

    @property
    def live_swarms(self) -> Collection[InfoHash]:
        """The swarms of p2p-media-loader."""
        return self._live_swarms.keys()

    @property
    def replay_torrents(self) -> Collection[InfoHash]:
        """The torrents of replays."""
        return self._replay_torrents.keys()

    @property
    def registered(self) -> Collection[InfoHash]:
        """The broadcaster's torrents."""
        return self._registered.keys()

    def register(self, info_hash: InfoHash, now_s: float) -> None:
        """Serve a torrent of the broadcaster from now on."""
        self._registered.pop(info_hash, None)
        self._registered[info_hash] = now_s + REGISTRATION_S
        if len(self._registered) > MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]

    def expire(self, now_s: float) -> None:
        """Forget the torrents that the seeder has long not announced."""
        while self._registered:
            oldest = next(iter(self._registered))
            if self._registered[oldest] > now_s:
                return
            del self._registered[oldest]


def _append_newest(known: dict[InfoHash, None], newest: Collection[InfoHash], limit: int) -> None:
    """Append `newest`, and drop the oldest beyond `limit`."""
    for info_hash in newest:
        known.pop(info_hash, None)
        known[info_hash] = None
    while len(known) > limit:
        del known[next(iter(known))]
