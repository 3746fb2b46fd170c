"""Recordings and replays on disk (SQLite), so that both survive a restart.

A stream of twelve hours has ten thousand segments in each variant: they are kept here instead of in
memory. Every method is quick except `load`, which may run in another thread. All of them raise
sqlite3.Error when the disk fails.
"""

import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from shoal.broadcaster.recordings.catalogue import Replay
from shoal.broadcaster.recordings.segments import RecordedSegment, gap_for

FILE_NAME = "replays.sqlite3"

CopyResult = Literal["kept", "lost"]

_TABLES = """
CREATE TABLE IF NOT EXISTS recording (
    id TEXT PRIMARY KEY, state TEXT NOT NULL, full INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS rendition (
    recording TEXT NOT NULL, variant INTEGER NOT NULL, attributes TEXT NOT NULL,
    PRIMARY KEY (recording, variant));
CREATE TABLE IF NOT EXISTS segment (
    id INTEGER PRIMARY KEY, recording TEXT NOT NULL, variant INTEGER NOT NULL,
    sequence INTEGER NOT NULL, size INTEGER NOT NULL, state TEXT NOT NULL, document BLOB NOT NULL,
    UNIQUE (recording, variant, sequence));
CREATE INDEX IF NOT EXISTS due ON segment (id) WHERE state = 'due';
CREATE TABLE IF NOT EXISTS replay (
    id TEXT PRIMARY KEY, document BLOB NOT NULL, going INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY);
"""
_PENDING = "SELECT id, recording, document FROM segment WHERE state = 'due' ORDER BY id"


@dataclass(frozen=True)
class PendingCopy:
    """A segment that has still to be copied."""

    id: int
    recording: str
    segment: RecordedSegment


@dataclass(frozen=True)
class Recording:
    """A recording with all of its segments."""

    variants: dict[int, list[RecordedSegment]]
    """oldest first; lost segments are gaps"""
    attributes: Mapping[int, str]
    """by variant: Owncast's of EXT-X-STREAM-INF, if it gave any"""


class RecordingsDatabase:
    """The database. Recordings go from open to ended to listed, then they are deleted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._db = self._connect()
        self._db.execute("PRAGMA journal_mode = WAL")
        # no fsync for each segment: what a power failure destroys is still in the timeline
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=1)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def open_recording(self) -> str | None:
        """Return the id of the open recording, if there is one."""
        return self._one("SELECT id FROM recording WHERE state = 'open'")

    def start(self, recording: str) -> None:
        """Start a recording."""
        self._db.execute("INSERT INTO recording (id, state) VALUES (?, 'open')", (recording,))

    def append(self, recording: str, segments: Iterable[RecordedSegment]) -> None:
        """Append segments and gaps; those already there stay as they are."""
        rows = [
            (
                *(recording, segment.variant, segment.sequence, segment.size),
                "gap" if segment.name is None else "due",
                msgspec.msgpack.encode(segment),
            )
            for segment in segments
        ]
        with self._transaction():
            self._db.executemany(
                "INSERT OR IGNORE INTO segment"
                " (recording, variant, sequence, size, state, document) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def last_sequences(self, recording: str) -> dict[int, int]:
        """Return the last media sequence of each variant of a recording."""
        return dict(
            self._db.execute(
                "SELECT variant, MAX(sequence) FROM segment WHERE recording = ? GROUP BY variant",
                (recording,),
            )
        )

    def set_attributes(self, recording: str, attributes: Mapping[int, str]) -> None:
        """Store Owncast's attributes of EXT-X-STREAM-INF, by variant."""
        self._db.executemany(
            "INSERT OR REPLACE INTO rendition VALUES (?, ?, ?)",
            [(recording, variant, text) for variant, text in attributes.items()],
        )

    def end(self, recording: str) -> None:
        """Mark a recording as ended."""
        self._set_state(recording, "ended")

    def mark_full(self, recording: str) -> None:
        """Mark a recording as too large to continue."""
        self._db.execute("UPDATE recording SET full = 1 WHERE id = ?", (recording,))

    def is_full(self, recording: str) -> bool:
        """Return whether a recording has become too large to continue."""
        return bool(self._one("SELECT full FROM recording WHERE id = ?", recording))

    def next_pending(self) -> PendingCopy | None:
        """Return the oldest segment that has to be copied, if there is one."""
        row = self._db.execute(f"{_PENDING} LIMIT 1").fetchone()
        return None if row is None else _pending_copy(row)

    def pending(self) -> list[PendingCopy]:
        """Return all segments that have to be copied, oldest first."""
        return [_pending_copy(row) for row in self._db.execute(_PENDING)]

    def pending_count(self) -> int:
        """Return the number of segments that have to be copied."""
        return self._one("SELECT COUNT(*) FROM segment WHERE state = 'due'")

    def finish_copy(self, copy: PendingCopy, state: CopyResult) -> None:
        """Store the result of a copy."""
        self._db.execute("UPDATE segment SET state = ? WHERE id = ?", (state, copy.id))

    def recorded_bytes(self) -> int:
        """Return the bytes of all recordings that are not replays yet."""
        size = self._one(
            "SELECT SUM(size) FROM segment JOIN recording ON recording.id = segment.recording"
            " WHERE recording.state != 'listed' AND segment.state IN ('due', 'kept')"
        )
        return size or 0

    def completed(self) -> list[str]:
        """Return the ended recordings without pending copies."""
        return self._all(
            "SELECT id FROM recording WHERE state = 'ended' AND NOT EXISTS"
            " (SELECT 1 FROM segment WHERE recording = recording.id AND segment.state = 'due')"
        )

    def load(self, recording: str) -> Recording:
        """Return a recording; may be called from any thread."""
        variants: dict[int, list[RecordedSegment]] = {}
        with closing(self._connect()) as db:
            for state, document in db.execute(
                "SELECT state, document FROM segment WHERE recording = ?"
                " ORDER BY variant, sequence",
                (recording,),
            ):
                segment = msgspec.msgpack.decode(document, type=RecordedSegment)
                place = segment if state == "kept" else gap_for(segment)
                variants.setdefault(segment.variant, []).append(place)
            attributes = db.execute(
                "SELECT variant, attributes FROM rendition WHERE recording = ?", (recording,)
            )
            return Recording(variants, dict(attributes))

    def save_replay(self, replay: Replay) -> None:
        """Insert or update a replay; its recording, if there is one, becomes `listed`."""
        document = msgspec.msgpack.encode(replay)
        with self._transaction():
            self._db.execute(
                "INSERT INTO replay (id, document) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET document = excluded.document",
                (replay.id, document),
            )
            self._set_state(replay.id, "listed")

    def without_torrent(self) -> list[str]:
        """Return the recordings that are replays already but lack a torrent."""
        return self._all("SELECT id FROM recording WHERE state = 'listed'")

    def delete_recording(self, recording: str) -> None:
        """Delete a recording; its replay stays."""
        with self._transaction():
            self._db.execute("DELETE FROM segment WHERE recording = ?", (recording,))
            self._db.execute("DELETE FROM rendition WHERE recording = ?", (recording,))
            self._db.execute("DELETE FROM recording WHERE id = ?", (recording,))

    def replays(self) -> list[Replay]:
        """Return the replays that are not marked for deletion."""
        rows = self._db.execute("SELECT document FROM replay WHERE NOT going")
        return [msgspec.msgpack.decode(document, type=Replay) for (document,) in rows]

    def mark_for_deletion(self, replay: str) -> None:
        """Mark a replay whose objects have to be deleted."""
        self._db.execute("UPDATE replay SET going = 1 WHERE id = ?", (replay,))

    def marked_for_deletion(self) -> list[str]:
        """Return the replays whose objects have to be deleted."""
        return self._all("SELECT id FROM replay WHERE going")

    def delete_replay(self, replay: str) -> None:
        """Delete a replay whose objects are gone."""
        self._db.execute("DELETE FROM replay WHERE id = ?", (replay,))

    def has_flag(self, name: str) -> bool:
        """Return whether a flag was set."""
        return self._one("SELECT 1 FROM note WHERE name = ?", name) is not None

    def set_flag(self, name: str) -> None:
        """Set a flag, for good."""
        self._db.execute("INSERT OR IGNORE INTO note VALUES (?)", (name,))

    @contextmanager
    def _transaction(self) -> Generator[None]:
        self._db.execute("BEGIN")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._db.rollback()
            raise

    def _set_state(self, recording: str, state: str) -> None:
        self._db.execute("UPDATE recording SET state = ? WHERE id = ?", (state, recording))

    def _one(self, query: str, *values: str) -> Any:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else row[0]

    def _all(self, query: str) -> list[str]:
        return [row[0] for row in self._db.execute(query)]


def _pending_copy(row: tuple[int, str, bytes]) -> PendingCopy:
    number, recording, document = row
    return PendingCopy(number, recording, msgspec.msgpack.decode(document, type=RecordedSegment))
