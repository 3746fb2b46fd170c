"""The replays there are, their public list, and which of them must be deleted."""

from collections.abc import Iterable, Sequence

import msgspec

from shoal.broadcaster.recordings.segments import (
    FOLDER,
    HASHES,
    PLAYLIST,
    replay_key,
    replay_prefix,
)
from shoal.broadcaster.torrents import magnet_uri

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
    """of its torrent, v1, hex; null while it has none"""

    @property
    def playlist(self) -> str:
        """Key of the playlist to start with."""
        if len(self.variants) == 1:
            return replay_key(self.id, self.variants[0], PLAYLIST)
        return replay_prefix(self.id) + PLAYLIST

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
    """SHA-256 of its segments: insert a variant's number before the last part of this URL"""
    torrent: str | None
    magnet: str | None


class ReplayList(msgspec.Struct, frozen=True):
    """Body of `/live/replays.json`, newest first."""

    replays: tuple[PublicReplay, ...]


def torrent_key(replay: str) -> str:
    """Return the key of a replay's torrent."""
    return f"{replay_prefix(replay)}{replay}.torrent"


def public_list(replays: Iterable[Replay], media_url: str, tracker_url: str) -> ReplayList:
    """Return the body of `/live/replays.json`."""
    newest_first = sorted(replays, key=lambda replay: replay.ended_at, reverse=True)
    return ReplayList(tuple(_public(replay, media_url, tracker_url) for replay in newest_first))


def _public(replay: Replay, media_url: str, tracker_url: str) -> PublicReplay:
    torrent: str | None = None
    magnet: str | None = None
    if replay.infohash is not None:
        torrent = f"{media_url}/{replay.torrent}"
        magnet = magnet_uri(
            replay.infohash, replay.id, tracker_url, web_seed(media_url), metainfo_url=torrent
        )
    return PublicReplay(
        id=replay.id,
        begun=replay.begun,
        duration=replay.duration,
        size=replay.size,
        playlist=f"{media_url}/{replay.playlist}",
        hashes=f"{media_url}/{replay_prefix(replay.id)}{HASHES}",
        torrent=torrent,
        magnet=magnet,
    )


def web_seed(media_url: str) -> str:
    """Return the web seed of all replay torrents: clients append the torrent's name and paths."""
    return f"{media_url}/{FOLDER}/"


def select_outdated(
    replays: Sequence[Replay],
    recorded_bytes: int,
    now: float,
    max_age_s: float,
    max_bytes: float,
) -> list[Replay]:
    """Return the replays to delete, oldest first.

    These are the ones that ended more than `max_age_s` ago; then the oldest ones, until the others
    and the `recorded_bytes` of open recordings together are at most `max_bytes`.
    """
    by_age = sorted(replays, key=lambda replay: replay.ended_at)
    size = recorded_bytes + sum(replay.size for replay in by_age)
    outdated: list[Replay] = []
    for replay in by_age:
        if now - replay.ended_at <= max_age_s and size <= max_bytes:
            break
        size -= replay.size
        outdated.append(replay)
    return outdated
