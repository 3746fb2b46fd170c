"""Seeds the torrents of the live window, by a process of its own that may die.

libtorrent 2.1.1 can crash when a peer's connection opens while its torrent is removed, and the end
of a session holds the interpreter until the tracker has said goodbye. Neither may stop the
broadcaster: the seeder process is ended without ceremony, and started again when it dies.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from shoal.broadcaster.seeding.ipc import (
    MAX_LINE_BYTES,
    Add,
    Figures,
    Open,
    Order,
    Remove,
    Said,
    decode_report,
    encode,
)
from shoal.broadcaster.torrents import Torrent

log = logging.getLogger("shoal.broadcaster")

WORKER = (sys.executable, "-m", "shoal.broadcaster.seeding.process")
MAX_WEBTORRENT_OFFERS = 5
"""offers with each announce of a torrent, and the most of others' that are answered until the next;
0 switches WebRTC off. 24 webtorrent clients in Chromium that fetch one segment of 1.2 MB at once,
all on two busy cores, two runs each: with 1, 20 and 10 of them had it after 15 s; with 5 all after
5.8 s, with 10 after 5.9 s, with 30 after 5.8 s. Each offer holds a socket until it times out."""
SILENCE_LIMIT_S = 10.0
"""the process says how it is once a second; when it says nothing it hangs"""
RESTART_S = 1.0


@dataclass
class _Seeded:
    torrent: Torrent
    path: Path
    announced: asyncio.Event = field(default_factory=asyncio.Event)


class Seeder:
    """The seeder process as the broadcaster sees it."""

    def __init__(
        self,
        *,
        tracker_url: str,
        upload_mbps: float,
        stun_server: str = "",
        listen_port: int | None = None,
        not_counted: str | None = None,
        offers: int = MAX_WEBTORRENT_OFFERS,
    ) -> None:
        """Seed through the tracker at `tracker_url` (ws or wss), whatever the magnets name.

        `upload_mbps` bounds all uploads together, in Mbit/s. `stun_server` is host:port, or empty.
        With `listen_port` peers are also served over TCP and uTP. Peers whose id begins with
        `not_counted` are served but not counted.
        """
        self._open = Open(tracker_url, upload_mbps, stun_server, listen_port, not_counted, offers)
        self._seeded: dict[str, _Seeded] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._figures = Figures()
        self._uploaded_before = 0
        """bytes that earlier processes uploaded"""
        self._death: str | None = None

    @property
    def torrents(self) -> int:
        """Torrents that are seeded."""
        return len(self._seeded)

    @property
    def peers(self) -> int:
        """Torrent peers that are being served."""
        return self._figures.peers

    @property
    def uploaded_bytes(self) -> int:
        """Payload bytes that peers took since the start."""
        return self._uploaded_before + self._figures.uploaded_bytes

    @property
    def fault(self) -> str | None:
        """Why nobody may find the seeder, None while all is well."""
        return self._death or self._figures.fault

    @property
    def pid(self) -> int | None:
        """The process that seeds, None while there is none."""
        return None if self._process is None else self._process.pid

    def add(self, torrent: Torrent, path: Path) -> None:
        """Seed a torrent whose data lies in `path`; one that is seeded already stays as it is.

        The file must stay until `remove`.
        """
        if torrent.infohash not in self._seeded:
            self._seeded[torrent.infohash] = _Seeded(torrent, path)
            self._send(Add(torrent, str(path)))

    def remove(self, infohash: str) -> None:
        """Seed a torrent no more; its file may be deleted then. An unknown one is ignored."""
        if self._seeded.pop(infohash, None) is not None:
            self._send(Remove(infohash))

    def announced(self, infohash: str) -> bool:
        """Say whether the tracker has acknowledged a torrent, and is not known to have lost it."""
        seeded = self._seeded.get(infohash)
        return seeded is not None and seeded.announced.is_set()

    async def until_announced(self, infohash: str) -> None:
        """Wait until `announced`; raises KeyError when the torrent is not seeded."""
        await self._seeded[infohash].announced.wait()

    async def run(self) -> None:
        """Seed until cancelled; a process that dies is replaced."""
        while True:
            try:
                await self._run_once()
            except OSError as error:
                self._death = f"the seeder cannot be started: {error}"
            finally:
                await self.close()
            log.error("%s", self._death)
            await asyncio.sleep(RESTART_S)

    async def close(self) -> None:
        """End the process, if there is one."""
        process, self._process = self._process, None
        self._uploaded_before = self.uploaded_bytes
        self._figures = Figures()
        for seeded in self._seeded.values():
            seeded.announced.clear()
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _run_once(self) -> None:
        pipe = asyncio.subprocess.PIPE
        process = self._process = await asyncio.create_subprocess_exec(
            *WORKER, stdin=pipe, stdout=pipe, limit=MAX_LINE_BYTES
        )
        assert process.stdout is not None
        self._send(self._open)
        for seeded in self._seeded.values():
            self._send(Add(seeded.torrent, str(seeded.path)))
        try:
            while line := await self._heard(process.stdout):
                self._take(line)
            self._death = f"the seeder died with status {await process.wait()}: starting it again"
        except TimeoutError:
            self._death = f"the seeder said nothing for {SILENCE_LIMIT_S:g} s: starting it again"
        except (msgspec.DecodeError, ValueError) as error:
            self._death = f"the seeder spoke nonsense ({error}): starting it again"

    async def _heard(self, reports: asyncio.StreamReader) -> bytes:
        # asyncio.wait_for of Python 3.11 loses a cancellation that comes together with the line
        async with asyncio.timeout(SILENCE_LIMIT_S):
            return await reports.readline()

    def _send(self, order: Order) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(encode(order))

    def _take(self, line: bytes) -> None:
        report = decode_report(line)
        if isinstance(report, Figures):
            self._figures = report
            self._death = None
        elif isinstance(report, Said):
            log.log(report.level, "%s", report.text)
        elif seeded := self._seeded.get(report.infohash):
            seeded.announced.set() if report.ok else seeded.announced.clear()
