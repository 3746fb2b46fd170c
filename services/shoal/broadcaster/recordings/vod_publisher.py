"""Makes replays of ended recordings, and takes away those whose time is over.

In this order, each with one request at a time: playlists and hashes, the list, the torrent. What
a restart interrupts is done again from its beginning.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from shoal.broadcaster.containers import content_type
from shoal.broadcaster.playlist import gap_name
from shoal.broadcaster.recordings import catalogue, vod
from shoal.broadcaster.recordings.catalogue import Replay
from shoal.broadcaster.recordings.database import Ledger, Whole
from shoal.broadcaster.recordings.segments import (
    HASHES,
    PLAYLIST,
    Segment,
    aligned,
    begun,
    kept_key,
    prefix_of,
    seconds,
)
from shoal.broadcaster.recordings.store_retry import StoreRetry
from shoal.broadcaster.recordings.torrent import Files, WholeTorrent, piece_bytes_for
from shoal.broadcaster.store import Store
from shoal.config.settings import BroadcasterSettings
from shoal.problems import Problems

log = logging.getLogger("shoal.broadcaster")

INTERVAL_S = 60.0
DAY_S = 86_400.0
GB = 1_000_000_000
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
JSON_TYPE = "application/json"
TORRENT_TYPE = "application/x-bittorrent"
RESTORED = "restored"


class _DamagedError(Exception):
    """An object of a replay is not what was published."""


class Finisher:
    """What happens to a recording once it has ended."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        store: Store,
        settings: BroadcasterSettings,
        tracker_url: str,
        problems: Problems,
        on_changed: Callable[[], None],
    ) -> None:
        """`on_changed` is called when the list of replays has changed."""
        self._ledger = ledger
        self._store = store
        self._media_url = settings.media_url
        self._tracker_url = tracker_url
        self._max_age_s = settings.replay_max_age_days * DAY_S
        self._max_bytes = settings.replay_max_gb * GB
        self._problems = problems
        self._on_changed = on_changed
        self._retry = StoreRetry(problems, "replay_store")
        self._more = asyncio.Event()

    def look(self) -> None:
        """Say that a recording may have become complete."""
        self._more.set()

    async def run(self) -> None:
        """Work until cancelled: when there is something to do, and once a minute."""
        await self._restore()
        while True:
            self._more.clear()
            for recording in self._ledger.complete():
                await self._list(recording)
            await self._retain()
            for recording in self._ledger.listed():
                await self._share(recording)
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._more.wait()
            except TimeoutError:
                pass  # time may be over for a replay

    async def _restore(self) -> None:
        """On a new host, take over the list that the old one left in the bucket."""
        if self._ledger.noted(RESTORED):
            return
        note = await self._retry.call(lambda: self._store.get(catalogue.KEY))
        if note is not None:
            try:
                replays = msgspec.json.decode(note, type=list[Replay])
            except msgspec.DecodeError as error:
                # what it listed stays in the store, unlisted
                log.error(
                    "%s in the bucket is damaged, a new list begins: %s", catalogue.KEY, error
                )
                replays = []
            for replay in replays:
                self._ledger.list_replay(replay)
            self._on_changed()
        self._ledger.note(RESTORED)

    async def _list(self, recording: str) -> None:
        """Store what plays a recording, and list it."""
        whole = await asyncio.to_thread(self._ledger.whole, recording)
        renditions = aligned(whole.renditions)
        if not renditions:
            await self._delete(recording)
            self._ledger.drop(recording)
            return
        playlists = await asyncio.to_thread(_playlists, recording, renditions, whole.attributes)
        for variant, segments in renditions.items():
            await self._put_hashes(recording, variant, segments)
        for key, text in playlists.items():
            await self._put(key, text.encode(), PLAYLIST_TYPE)
        now = datetime.now(UTC)
        replay = Replay(
            id=recording,
            begun=begun(renditions) or now.isoformat(),
            ended_at=now.timestamp(),
            duration=seconds(renditions),
            size=sum(s.size for segments in renditions.values() for s in segments),
            variants=tuple(renditions),
        )
        await self._publish(replay)
        log.info(
            "the stream can be watched again: replay %s, %.0f s, %.1f MB",
            *(recording, replay.duration, replay.size / 1e6),
        )

    async def _put_hashes(self, recording: str, variant: int, segments: list[Segment]) -> None:
        """Store the hashes of a rendition, and something where its gaps are."""
        hashes = await asyncio.to_thread(vod.hash_list, segments)
        await self._put(kept_key(recording, variant, HASHES), hashes, JSON_TYPE)
        for segment in segments:
            if segment.name is None:
                # as while it was live: a 404 ends players that do not know EXT-X-GAP
                name = gap_name(segment.sequence)
                await self._put(kept_key(recording, variant, name), b"", content_type(name))

    async def _publish(self, replay: Replay) -> None:
        self._ledger.list_replay(replay)
        await self._changed()

    async def _changed(self) -> None:
        self._on_changed()
        note = msgspec.json.encode(self._ledger.replays())
        await self._retry.call(lambda: self._store.put_note(catalogue.KEY, note))

    async def _retain(self) -> None:
        """Take away what is too old or too much; stop a recording that alone is too much."""
        recorded = self._ledger.recorded_bytes()
        gone = catalogue.outdated(
            self._ledger.replays(), recorded, time.time(), self._max_age_s, self._max_bytes
        )
        for replay in gone:
            self._ledger.let_go(replay.id)
        if gone:
            await self._changed()
        for replay in self._ledger.going():
            await self._delete(replay)
            self._ledger.drop(replay)
            self._ledger.forget(replay)
            log.info("the replay %s is deleted: its time is over, or its place is needed", replay)
        recording = self._ledger.open_recording()
        if recording is not None and recorded > self._max_bytes:
            self._ledger.fill_up(recording)
            self._problems.report(
                "replay_full",
                f"the stream alone has more than the {self._max_bytes / GB:g} GB that replays may"
                " take: its replay will end here; raise SHOAL_REPLAY_MAX_GB",
                "degraded",
            )
        elif recording is None or not self._ledger.is_full(recording):
            self._problems.clear("replay_full")

    async def _share(self, recording: str) -> None:
        """Make the torrent of a replay that is listed."""
        replay = next((r for r in self._ledger.replays() if r.id == recording), None)
        if replay is not None:
            whole = await asyncio.to_thread(self._ledger.whole, recording)
            try:
                torrent = await self._torrent(recording, whole)
            except _DamagedError as error:
                # the objects play all the same; what is false nobody takes from peers
                log.error("no torrent of the replay %s: %s", recording, error)
            else:
                await self._put(replay.torrent, torrent.metainfo, TORRENT_TYPE)
                await self._publish(msgspec.structs.replace(replay, infohash=torrent.infohash))
        self._ledger.drop(recording)

    async def _torrent(self, recording: str, whole: Whole) -> WholeTorrent:
        """Read a replay from the store once, a file at a time, and hash it."""
        renditions = aligned(whole.renditions)
        playlists = await asyncio.to_thread(_playlists, recording, renditions, whole.attributes)
        size = sum(s.size for segments in renditions.values() for s in segments)
        files = Files(piece_bytes_for(size))
        for key, sha256 in _contents(recording, [*playlists], renditions):
            data = await self._retry.call(lambda key=key: self._store.get(key))
            if data is None:
                raise _DamagedError(f"{key} is not in the store")
            if sha256 and await asyncio.to_thread(_sha256, data) != sha256:
                raise _DamagedError(f"{key} is not what was published")
            path = key.removeprefix(prefix_of(recording))
            await asyncio.to_thread(files.add, path, data)
        return files.torrent(
            recording, tracker_url=self._tracker_url, web_seed=catalogue.web_seed(self._media_url)
        )

    async def _put(self, key: str, data: bytes, media_type: str) -> None:
        await self._retry.call(lambda: self._store.put_file(key, data, media_type))

    async def _delete(self, replay: str) -> None:
        """Delete all objects of a replay."""
        prefix = prefix_of(replay)
        while keys := await self._retry.call(lambda: self._store.keys(prefix)):
            await self._retry.call(lambda keys=keys: self._store.delete(keys))


def _playlists(
    recording: str, renditions: dict[int, list[Segment]], attributes: Mapping[int, str]
) -> dict[str, str]:
    """Return the playlists by their keys, the one to begin with first."""
    media = {
        kept_key(recording, variant, PLAYLIST): vod.media_playlist(segments)
        for variant, segments in renditions.items()
    }
    if len(media) == 1:
        return media
    multivariant = vod.multivariant_playlist(renditions, attributes)
    return {prefix_of(recording) + PLAYLIST: multivariant, **media}


def _contents(
    recording: str, playlists: list[str], renditions: dict[int, list[Segment]]
) -> Iterator[tuple[str, str]]:
    """Yield the keys of all that a torrent holds, each with its SHA-256 where that is known."""
    yield from ((key, "") for key in playlists)
    for variant, segments in renditions.items():
        maps = dict.fromkeys(s.map_name for s in segments if s.map_name is not None)
        yield from ((kept_key(recording, variant, name), "") for name in maps)
        for segment in segments:
            if segment.name is not None:
                yield kept_key(recording, variant, segment.name), segment.sha256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
