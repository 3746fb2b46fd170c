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

REGISTERED_S = 900.0
"""a torrent is served so long after the seeder announced it last; it announces every 120 s"""
MAX_REGISTERED = 10_000
MAX_KEPT = 1024
MAX_LIVE = 1024
"""swarms; a stream has one for each rendition"""


@dataclass(frozen=True)
class Pass:
    """What somebody showed when connecting."""

    token: TokenVerdict
    seeder: bool
    """whether it is the broadcaster's own"""


class Admission:
    """The torrents that are served."""

    def __init__(self) -> None:
        self._live: dict[InfoHash, None] = {}
        self.on_registered: Callable[[InfoHash], None] | None = None
        """called when the broadcaster's seeder has announced a torrent here"""
        self._registered: dict[InfoHash, float] = {}
        """until when, in the order of that"""
        self._kept: dict[InfoHash, None] = {}

    def __iter__(self) -> Iterator[InfoHash]:
        yield from self._live
        yield from self._registered
        yield from self._kept.keys() - self._registered.keys()

    def go_live(self, info_hashes: Collection[InfoHash]) -> None:
        """Serve p2p-media-loader's swarms of now; who watches an older playlist keeps its own."""
        _renew(self._live, info_hashes, MAX_LIVE)

    def keep(self, torrents: Collection[InfoHash]) -> None:
        """Serve the torrents of replays, to everybody."""
        _renew(self._kept, torrents, MAX_KEPT)

    def refusal(self, info_hash: InfoHash, shown: Pass, now_s: float) -> str | None:
        """Say by a code why a torrent is not served to somebody, or None."""
        if shown.seeder:
            self.register(info_hash, now_s)
            if self.on_registered is not None:
                self.on_registered(info_hash)
            return None
        if self._registered.get(info_hash, 0) > now_s or info_hash in self._kept:
            return None
        if info_hash not in self._live:
            return "unknown_torrent"
        return None if shown.token == "ok" else f"token_{shown.token}"

    @property
    def live(self) -> Collection[InfoHash]:
        """The swarms of p2p-media-loader."""
        return self._live.keys()

    @property
    def kept(self) -> Collection[InfoHash]:
        """The torrents of replays."""
        return self._kept.keys()

    @property
    def registered(self) -> Collection[InfoHash]:
        """The broadcaster's torrents."""
        return self._registered.keys()

    def register(self, info_hash: InfoHash, now_s: float) -> None:
        """Serve a torrent of the broadcaster's from now on."""
        self._registered.pop(info_hash, None)
        self._registered[info_hash] = now_s + REGISTERED_S
        if len(self._registered) > MAX_REGISTERED:
            del self._registered[next(iter(self._registered))]

    def expire(self, now_s: float) -> None:
        """Forget the torrents that the seeder has not announced for long."""
        while self._registered:
            oldest = next(iter(self._registered))
            if self._registered[oldest] > now_s:
                return
            del self._registered[oldest]


def _renew(known: dict[InfoHash, None], named: Collection[InfoHash], most: int) -> None:
    """Put those that are named last, and drop the first ones that are too many."""
    for info_hash in named:
        known.pop(info_hash, None)
        known[info_hash] = None
    while len(known) > most:
        del known[next(iter(known))]
