"""What is being recorded and which replays there are, on disk (SQLite), so that a restart goes on.

A stream of twelve hours has ten thousand segments in each rendition: they are kept here and not in
memory. Every method is quick, but for `whole`, which may run in another thread. All raise
sqlite3.Error when the disk does not take it.
"""

import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from shoal.broadcaster.recordings.catalogue import Replay
from shoal.broadcaster.recordings.segments import Segment, gap

FILE_NAME = "replays.sqlite3"

Settled = Literal["kept", "lost"]

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
_DUE = "SELECT id, recording, document FROM segment WHERE state = 'due' ORDER BY id"


@dataclass(frozen=True)
class Due:
    """A segment that is still to be copied."""

    id: int
    recording: str
    segment: Segment


@dataclass(frozen=True)
class Whole:
    """A recording."""

    renditions: dict[int, list[Segment]]
    """oldest first; what was lost is a gap"""
    attributes: Mapping[int, str]
    """EXT-X-STREAM-INF's, where Owncast gave them"""


class Ledger:
    """The database. Recordings go from open to ended to listed, then they are dropped."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._db = self._connect()
        self._db.execute("PRAGMA journal_mode = WAL")
        # no fsync for each segment: what a power cut takes is in the timeline still
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_TABLES)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None, timeout=1)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def open_recording(self) -> str | None:
        """Return the recording that goes on, if one does."""
        return self._one("SELECT id FROM recording WHERE state = 'open'")

    def begin(self, recording: str) -> None:
        """Begin a recording."""
        self._db.execute("INSERT INTO recording (id, state) VALUES (?, 'open')", (recording,))

    def add(self, recording: str, segments: Iterable[Segment]) -> None:
        """Append segments and gaps; what is there already stays as it is."""
        rows = [
            (
                *(recording, segment.variant, segment.sequence, segment.size),
                "gap" if segment.name is None else "due",
                msgspec.msgpack.encode(segment),
            )
            for segment in segments
        ]
        with self._all_or_nothing():
            self._db.executemany(
                "INSERT OR IGNORE INTO segment"
                " (recording, variant, sequence, size, state, document) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

    def newest(self, recording: str) -> dict[int, int]:
        """Return the last media sequence of each rendition of a recording."""
        return dict(
            self._db.execute(
                "SELECT variant, MAX(sequence) FROM segment WHERE recording = ? GROUP BY variant",
                (recording,),
            )
        )

    def name_renditions(self, recording: str, attributes: Mapping[int, str]) -> None:
        """Note what Owncast says of renditions."""
        self._db.executemany(
            "INSERT OR REPLACE INTO rendition VALUES (?, ?, ?)",
            [(recording, variant, text) for variant, text in attributes.items()],
        )

    def end(self, recording: str) -> None:
        """Note that nothing more comes."""
        self._set_state(recording, "ended")

    def fill_up(self, recording: str) -> None:
        """Note that a recording has become too large to go on."""
        self._db.execute("UPDATE recording SET full = 1 WHERE id = ?", (recording,))

    def is_full(self, recording: str) -> bool:
        """Say whether a recording has become too large to go on."""
        return bool(self._one("SELECT full FROM recording WHERE id = ?", recording))

    def next_due(self) -> Due | None:
        """Return the oldest segment that is to be copied."""
        row = self._db.execute(f"{_DUE} LIMIT 1").fetchone()
        return None if row is None else _due(row)

    def due(self) -> list[Due]:
        """Return all segments that are to be copied, oldest first."""
        return [_due(row) for row in self._db.execute(_DUE)]

    def due_count(self) -> int:
        """Return how many segments are to be copied."""
        return self._one("SELECT COUNT(*) FROM segment WHERE state = 'due'")

    def settle(self, due: Due, state: Settled) -> None:
        """Note what came of a segment."""
        self._db.execute("UPDATE segment SET state = ? WHERE id = ?", (state, due.id))

    def recorded_bytes(self) -> int:
        """Return the bytes of all recordings that are no replays yet."""
        size = self._one(
            "SELECT SUM(size) FROM segment JOIN recording ON recording.id = segment.recording"
            " WHERE recording.state != 'listed' AND segment.state IN ('due', 'kept')"
        )
        return size or 0

    def complete(self) -> list[str]:
        """Return the ended recordings of which everything is settled."""
        return self._all(
            "SELECT id FROM recording WHERE state = 'ended' AND NOT EXISTS"
            " (SELECT 1 FROM segment WHERE recording = recording.id AND segment.state = 'due')"
        )

    def whole(self, recording: str) -> Whole:
        """Return a recording; may be called in any thread."""
        renditions: dict[int, list[Segment]] = {}
        with closing(self._connect()) as db:
            for state, document in db.execute(
                "SELECT state, document FROM segment WHERE recording = ?"
                " ORDER BY variant, sequence",
                (recording,),
            ):
                segment = msgspec.msgpack.decode(document, type=Segment)
                kept = segment if state == "kept" else gap(segment)
                renditions.setdefault(segment.variant, []).append(kept)
            attributes = db.execute(
                "SELECT variant, attributes FROM rendition WHERE recording = ?", (recording,)
            )
            return Whole(renditions, dict(attributes))

    def list_replay(self, replay: Replay) -> None:
        """Add a replay, or what is new of one; its recording, if there is one, is `listed`."""
        document = msgspec.msgpack.encode(replay)
        with self._all_or_nothing():
            self._db.execute(
                "INSERT INTO replay (id, document) VALUES (?, ?)"
                " ON CONFLICT (id) DO UPDATE SET document = excluded.document",
                (replay.id, document),
            )
            self._set_state(replay.id, "listed")

    def listed(self) -> list[str]:
        """Return the recordings that are replays already, and lack a torrent."""
        return self._all("SELECT id FROM recording WHERE state = 'listed'")

    def drop(self, recording: str) -> None:
        """Forget a recording; its replay stays."""
        with self._all_or_nothing():
            self._db.execute("DELETE FROM segment WHERE recording = ?", (recording,))
            self._db.execute("DELETE FROM rendition WHERE recording = ?", (recording,))
            self._db.execute("DELETE FROM recording WHERE id = ?", (recording,))

    def replays(self) -> list[Replay]:
        """Return the replays that are not about to go."""
        rows = self._db.execute("SELECT document FROM replay WHERE NOT going")
        return [msgspec.msgpack.decode(document, type=Replay) for (document,) in rows]

    def let_go(self, replay: str) -> None:
        """Note that a replay's objects are to be deleted."""
        self._db.execute("UPDATE replay SET going = 1 WHERE id = ?", (replay,))

    def going(self) -> list[str]:
        """Return the replays whose objects are to be deleted."""
        return self._all("SELECT id FROM replay WHERE going")

    def forget(self, replay: str) -> None:
        """Forget a replay: its objects are gone."""
        self._db.execute("DELETE FROM replay WHERE id = ?", (replay,))

    def noted(self, name: str) -> bool:
        """Say whether something was noted once."""
        return self._one("SELECT 1 FROM note WHERE name = ?", name) is not None

    def note(self, name: str) -> None:
        """Note something."""
        self._db.execute("INSERT OR IGNORE INTO note VALUES (?)", (name,))

    @contextmanager
    def _all_or_nothing(self) -> Generator[None]:
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


def _due(row: tuple[int, str, bytes]) -> Due:
    number, recording, document = row
    return Due(number, recording, msgspec.msgpack.decode(document, type=Segment))
