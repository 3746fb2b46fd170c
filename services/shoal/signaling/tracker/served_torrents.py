"""Which torrents the tracker serves, and to whom.

Two kinds: the swarms in which p2p-media-loader shares this station's live stream, for those who
come with a join token; and torrents, those that the broadcaster's own seeder has
announced and those of replays, for everybody, because other seeders and desktop clients have no
token. Plain; times are seconds of a clock that only rises.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from shoal.signaling.access import TokenVerdict
from shoal.signaling.tracker.messages import InfoHash

REGISTRATION_S = 900.0
"""a torrent is served so long after the seeder announced it last; it announces every 120 s"""
MAX_REGISTERED = 10_000
MAX_REPLAY_TORRENTS = 1024
MAX_LIVE_SWARMS = 1024
"""swarms; a stream has one for each rendition"""


@dataclass(frozen=True)
class Credentials:
    """What somebody showed when connecting."""

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
        """until when, in the order of that"""
        self._replay_torrents: dict[InfoHash, None] = {}

    def __iter__(self) -> Iterator[InfoHash]:
        yield from self._live_swarms
        yield from self._registered
        yield from self._replay_torrents.keys() - self._registered.keys()

    def add_live_swarms(self, info_hashes: Collection[InfoHash]) -> None:
        """Serve p2p-media-loader's swarms of now; who watches an older playlist keeps its own."""
        _append_newest(self._live_swarms, info_hashes, MAX_LIVE_SWARMS)

    def add_replay_torrents(self, info_hashes: Collection[InfoHash]) -> None:
        """Serve the torrents of replays, to everybody."""
        _append_newest(self._replay_torrents, info_hashes, MAX_REPLAY_TORRENTS)

    def refusal(self, info_hash: InfoHash, credentials: Credentials, now_s: float) -> str | None:
        """Say by a code why a torrent is not served to somebody, or None."""
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
        """Serve a torrent of the broadcaster's from now on."""
        self._registered.pop(info_hash, None)
        self._registered[info_hash] = now_s + REGISTRATION_S
        if len(self._registered) > MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]

    def expire(self, now_s: float) -> None:
        """Forget the torrents that the seeder has not announced for long."""
        while self._registered:
            oldest = next(iter(self._registered))
            if self._registered[oldest] > now_s:
                return
            del self._registered[oldest]


def _append_newest(known: dict[InfoHash, None], newest: Collection[InfoHash], limit: int) -> None:
    """Put those that are named last, and drop the first ones that are too many."""
    for info_hash in newest:
        known.pop(info_hash, None)
        known[info_hash] = None
    while len(known) > limit:
        del known[next(iter(known))]
