"""The replays that there are, what the public reads of them, and which of them have to go."""

from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from shoal.broadcaster.recordings.segments import FOLDER, HASHES, PLAYLIST, kept_key, prefix_of

KEY = f"{FOLDER}/replays.json"
"""the list in the bucket, for a host that replaces this one"""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """One replay."""

    id: str
    begun: str
    """ISO 8601"""
    ended_at: float
    """Unix time, seconds"""
    duration: float
    """seconds"""
    size: int
    """bytes of its segments"""
    variants: tuple[int, ...]
    infohash: str | None = None
    """of its torrent, v1, hex; null while there is none"""

    @property
    def playlist(self) -> str:
        """Key of the playlist to begin with."""
        if len(self.variants) == 1:
            return kept_key(self.id, self.variants[0], PLAYLIST)
        return prefix_of(self.id) + PLAYLIST

    @property
    def torrent(self) -> str:
        """Key of the torrent."""
        return torrent_key(self.id)


class PublicReplay(msgspec.Struct, frozen=True, kw_only=True):
    """A replay in `/live/replays.json`; URLs are absolute."""

    id: str
    begun: str
    duration: float
    size: int
    playlist: str
    hashes: str
    """SHA-256 of its segments: this URL with the rendition's number before the last name"""
    torrent: str | None
    magnet: str | None


class ReplayList(msgspec.Struct, frozen=True):
    """Body of `/live/replays.json`, newest first."""

    replays: tuple[PublicReplay, ...]


def torrent_key(replay: str) -> str:
    """Return the key of a replay's torrent."""
    return f"{prefix_of(replay)}{replay}.torrent"


def public(replays: Iterable[Replay], media_url: str, tracker_url: str) -> ReplayList:
    """Return the list that the public reads."""
    newest_first = sorted(replays, key=lambda replay: replay.ended_at, reverse=True)
    return ReplayList(tuple(_public(replay, media_url, tracker_url) for replay in newest_first))


def _public(replay: Replay, media_url: str, tracker_url: str) -> PublicReplay:
    ready = replay.infohash is not None
    torrent = f"{media_url}/{replay.torrent}"
    return PublicReplay(
        id=replay.id,
        begun=replay.begun,
        duration=replay.duration,
        size=replay.size,
        playlist=f"{media_url}/{replay.playlist}",
        hashes=f"{media_url}/{prefix_of(replay.id)}{HASHES}",
        torrent=torrent if ready else None,
        magnet=_magnet(replay, torrent, media_url, tracker_url) if ready else None,
    )


def _magnet(replay: Replay, torrent: str, media_url: str, tracker_url: str) -> str:
    """Return a magnet URI (BEP 9; `ws`: BEP 19).

    `xs` (exact source) says where the metainfo is: a web seed has none, and a magnet whose swarm
    is empty could not begin without it.
    """
    fields = {
        "dn": replay.id,
        "tr": tracker_url,
        "ws": web_seed(media_url),
        "xs": torrent,
    }
    named = "".join(f"&{name}={quote(value, safe='')}" for name, value in fields.items())
    return f"magnet:?xt=urn:btih:{replay.infohash}{named}"


def web_seed(media_url: str) -> str:
    """Return the web seed of all replays' torrents: clients append a torrent's name and paths."""
    return f"{media_url}/{FOLDER}/"


def outdated(
    replays: Sequence[Replay], recording: int, now: float, max_age_s: float, max_bytes: float
) -> list[Replay]:
    """Return the replays that have to go, oldest first.

    Those that ended more than `max_age_s` ago; then the oldest ones, until the others and the
    `recording` bytes of what is being recorded are no more than `max_bytes`.
    """
    left = sorted(replays, key=lambda replay: replay.ended_at)
    size = recording + sum(replay.size for replay in left)
    gone: list[Replay] = []
    for replay in left:
        if now - replay.ended_at <= max_age_s and size <= max_bytes:
            break
        size -= replay.size
        gone.append(replay)
    return gone
