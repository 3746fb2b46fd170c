"""Turns ended recordings into replays, and deletes replays that are outdated.

In this order, one request at a time: playlists and hashes, the list, the torrent. Whatever a
restart interrupts starts over.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from shoal.broadcaster.playlist import gap_name
from shoal.broadcaster.recordings import catalogue
from shoal.broadcaster.recordings.catalogue import Replay
from shoal.broadcaster.recordings.database import Recording, RecordingsDatabase
from shoal.broadcaster.recordings.segments import (
    HASHES,
    PLAYLIST,
    RecordedSegment,
    align,
    hash_list,
    media_playlist,
    multivariant_playlist,
    replay_key,
    replay_prefix,
    start_time,
    total_duration,
)
from shoal.broadcaster.recordings.store_retry import StoreRetry
from shoal.broadcaster.store import Store, content_type
from shoal.broadcaster.torrents import ReplayTorrent, ReplayTorrentBuilder, replay_piece_bytes
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
"""flag: the list in the bucket has been read"""


class _DamagedError(Exception):
    """An object of a replay differs from what was published."""


class VodPublisher:
    """Handles recordings once they have ended, and replays."""

    def __init__(
        self,
        *,
        database: RecordingsDatabase,
        store: Store,
        settings: BroadcasterSettings,
        tracker_url: str,
        problems: Problems,
        on_changed: Callable[[], None],
    ) -> None:
        """`on_changed` is called when the list of replays has changed."""
        self._database = database
        self._store = store
        self._media_url = settings.media_url
        self._tracker_url = tracker_url
        self._max_age_s = settings.replay_max_age_days * DAY_S
        self._max_bytes = settings.replay_max_gb * GB
        self._problems = problems
        self._on_changed = on_changed
        self._retry = StoreRetry(problems, "replay_store")
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Check for completed recordings now."""
        self._wake.set()

    async def run(self) -> None:
        """Work until cancelled: when woken, and once a minute."""
        await self._restore()
        while True:
            self._wake.clear()
            for recording in self._database.completed():
                await self._list_recording(recording)
            await self._apply_retention()
            for recording in self._database.without_torrent():
                await self._add_torrent(recording)
            try:
                async with asyncio.timeout(INTERVAL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass  # a replay may have become too old

    async def _restore(self) -> None:
        """On a new host, adopt the list that the old one left in the bucket."""
        if self._database.has_flag(RESTORED):
            return
        data = await self._retry.call(lambda: self._store.get(catalogue.KEY))
        if data is not None:
            try:
                replays = msgspec.json.decode(data, type=list[Replay])
            except msgspec.DecodeError as error:
                # the replays that it listed stay in the store, unlisted
                log.error(
                    "cannot restore the list of replays: %s in the bucket is damaged (%s);"
                    " starting a new list",
                    *(catalogue.KEY, error),
                )
                replays = []
            for replay in replays:
                self._database.save_replay(replay)
            self._on_changed()
        self._database.set_flag(RESTORED)

    async def _list_recording(self, recording: str) -> None:
        """Store the playlists and hashes of a recording, and list it as a replay."""
        recorded = await asyncio.to_thread(self._database.load, recording)
        variants = align(recorded.variants)
        if not variants:
            await self._delete_objects(recording)
            self._database.delete_recording(recording)
            return
        playlists = await asyncio.to_thread(_playlists, recording, variants, recorded.attributes)
        for variant, segments in variants.items():
            await self._put_hashes(recording, variant, segments)
        for key, text in playlists.items():
            await self._put(key, text.encode(), PLAYLIST_TYPE)
        now = datetime.now(UTC)
        replay = Replay(
            id=recording,
            begun=start_time(variants) or now.isoformat(),
            ended_at=now.timestamp(),
            duration=total_duration(variants),
            size=sum(s.size for segments in variants.values() for s in segments),
            variants=tuple(variants),
        )
        await self._save(replay)
        log.info(
            "the stream is available as a replay: %s, %.0f s, %.1f MB",
            *(recording, replay.duration, replay.size / 1e6),
        )

    async def _put_hashes(
        self, recording: str, variant: int, segments: list[RecordedSegment]
    ) -> None:
        """Store the hashes of a variant, and an empty object for each of its gaps."""
        hashes = await asyncio.to_thread(hash_list, segments)
        await self._put(replay_key(recording, variant, HASHES), hashes, JSON_TYPE)
        for segment in segments:
            if segment.name is None:
                # as in the live playlist: a 404 stops players that do not know EXT-X-GAP
                name = gap_name(segment.sequence)
                await self._put(replay_key(recording, variant, name), b"", content_type(name))

    async def _save(self, replay: Replay) -> None:
        self._database.save_replay(replay)
        await self._store_list()

    async def _store_list(self) -> None:
        self._on_changed()
        data = msgspec.json.encode(self._database.replays())
        await self._retry.call(lambda: self._store.put_json(catalogue.KEY, data))

    async def _apply_retention(self) -> None:
        """Delete what is too old or too large; stop a recording that is too large by itself."""
        recorded_bytes = self._database.recorded_bytes()
        outdated = catalogue.select_outdated(
            self._database.replays(), recorded_bytes, time.time(), self._max_age_s, self._max_bytes
        )
        for replay in outdated:
            self._database.mark_for_deletion(replay.id)
        if outdated:
            await self._store_list()
        for replay in self._database.marked_for_deletion():
            await self._delete_objects(replay)
            self._database.delete_recording(replay)
            self._database.delete_replay(replay)
            log.info("deleted the replay %s: it was too old, or its space was needed", replay)
        recording = self._database.open_recording()
        if recording is not None and recorded_bytes > self._max_bytes:
            self._database.mark_full(recording)
            self._problems.report(
                "replay_full",
                f"this stream alone exceeds the {self._max_bytes / GB:g} GB that replays may take:"
                " its replay will end here; raise SHOAL_REPLAY_MAX_GB",
                "degraded",
            )
        elif recording is None or not self._database.is_full(recording):
            self._problems.clear("replay_full")

    async def _add_torrent(self, recording: str) -> None:
        """Make the torrent of a listed replay."""
        replay = next((r for r in self._database.replays() if r.id == recording), None)
        if replay is not None:
            recorded = await asyncio.to_thread(self._database.load, recording)
            try:
                torrent = await self._make_torrent(recording, recorded)
            except _DamagedError as error:
                # it still plays from the store, and no peer accepts bytes with a wrong hash
                log.error("cannot make a torrent of the replay %s: %s", recording, error)
            else:
                await self._put(replay.torrent, torrent.metainfo, TORRENT_TYPE)
                await self._save(msgspec.structs.replace(replay, infohash=torrent.infohash))
        self._database.delete_recording(recording)

    async def _make_torrent(self, recording: str, recorded: Recording) -> ReplayTorrent:
        """Read a replay from the store once, file by file, and hash it."""
        variants = align(recorded.variants)
        playlists = await asyncio.to_thread(_playlists, recording, variants, recorded.attributes)
        size = sum(s.size for segments in variants.values() for s in segments)
        builder = ReplayTorrentBuilder(replay_piece_bytes(size))
        for key, sha256 in _torrent_contents(recording, [*playlists], variants):
            data = await self._retry.call(lambda key=key: self._store.get(key))
            if data is None:
                raise _DamagedError(f"{key} is not in the store")
            if sha256 and await asyncio.to_thread(_sha256, data) != sha256:
                raise _DamagedError(f"{key} differs from what was published")
            path = key.removeprefix(replay_prefix(recording))
            await asyncio.to_thread(builder.add, path, data)
        return builder.build(
            recording, tracker_url=self._tracker_url, web_seed=catalogue.web_seed(self._media_url)
        )

    async def _put(self, key: str, data: bytes, media_type: str) -> None:
        await self._retry.call(lambda: self._store.put_file(key, data, media_type))

    async def _delete_objects(self, replay: str) -> None:
        """Delete all objects of a replay from the store."""
        prefix = replay_prefix(replay)
        while keys := await self._retry.call(lambda: self._store.list_keys(prefix)):
            await self._retry.call(lambda keys=keys: self._store.delete(keys))


def _playlists(
    recording: str, variants: dict[int, list[RecordedSegment]], attributes: Mapping[int, str]
) -> dict[str, str]:
    """Return the playlists by key, the one to start with first."""
    media = {
        replay_key(recording, variant, PLAYLIST): media_playlist(segments)
        for variant, segments in variants.items()
    }
    if len(media) == 1:
        return media
    top = multivariant_playlist(variants, attributes)
    return {replay_prefix(recording) + PLAYLIST: top, **media}


def _torrent_contents(
    recording: str, playlists: list[str], variants: dict[int, list[RecordedSegment]]
) -> Iterator[tuple[str, str]]:
    """Yield the keys of all files of a torrent, each with its SHA-256 or an empty string."""
    yield from ((key, "") for key in playlists)
    for variant, segments in variants.items():
        init_names = dict.fromkeys(s.init_name for s in segments if s.init_name is not None)
        yield from ((replay_key(recording, variant, name), "") for name in init_names)
        for segment in segments:
            if segment.name is not None:
                yield replay_key(recording, variant, segment.name), segment.sha256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
