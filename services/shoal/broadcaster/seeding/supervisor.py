"""Seeds the torrents of the live window by a process of its own, and restarts it when it dies.

libtorrent 2.1.1 can crash when a peer's connection opens while its torrent is removed, and the end
of a session blocks the interpreter until the tracker has answered `stopped`. Neither may stop the
broadcaster: the seeder process is killed at the end, and replaced when it dies.
"""

import asyncio
import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from shoal.broadcaster.seeding.ipc import (
    MAX_LINE_BYTES,
    AddTorrent,
    Command,
    Configure,
    LogLine,
    RemoveTorrent,
    SeederStats,
    decode_report,
    encode,
)
from shoal.broadcaster.torrents import Torrent

log = logging.getLogger("shoal.broadcaster")

SEEDER_COMMAND = (sys.executable, "-m", "shoal.broadcaster.seeding.process")
MAX_WEBTORRENT_OFFERS = 5
"""offers with each announce of a torrent, and the most offers of others answered until the next;
0 switches WebRTC off. 24 webtorrent clients in Chromium that fetch one segment of 1.2 MB at once,
all on two busy cores, two runs each: with 1, 20 and 10 of them had it after 15 s; with 5 all after
5.8 s, with 10 after 5.9 s, with 30 after 5.8 s. Each offer holds a socket until it times out."""
REPORT_TIMEOUT_S = 10.0
"""the process reports its state once a second; without a report for this long it hangs"""
RESTART_S = 1.0


@dataclass
class _SeededTorrent:
    torrent: Torrent
    path: Path
    announced: asyncio.Event = field(default_factory=asyncio.Event)


class SeederSupervisor:
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

        `upload_mbps` limits all uploads together, in Mbit/s. `stun_server` is host:port or empty.
        With `listen_port`, peers are also served over TCP and uTP. Peers whose id begins with
        `not_counted` are served but not counted.
        """
        self._configure = Configure(
            tracker_url, upload_mbps, stun_server, listen_port, not_counted, offers
        )
        self._seeded: dict[str, _SeededTorrent] = {}
        """by infohash"""
        self._process: asyncio.subprocess.Process | None = None
        self._stats = SeederStats()
        self._uploaded_before = 0
        """bytes that earlier processes uploaded"""
        self._exit_fault: str | None = None
        """why the last process ended, None once its successor works"""

    @property
    def torrents(self) -> int:
        """Number of torrents that are seeded."""
        return len(self._seeded)

    @property
    def peers(self) -> int:
        """Number of torrent peers that are being served."""
        return self._stats.peers

    @property
    def uploaded_bytes(self) -> int:
        """Payload bytes sent to peers since the start."""
        return self._uploaded_before + self._stats.uploaded_bytes

    @property
    def fault(self) -> str | None:
        """Why peers may not find the seeder, None if all is well."""
        return self._exit_fault or self._stats.fault

    @property
    def pid(self) -> int | None:
        """The id of the seeder process, None while there is none."""
        return None if self._process is None else self._process.pid

    def add(self, torrent: Torrent, path: Path) -> None:
        """Seed a torrent whose data is in `path`, unless it is seeded already.

        The file must stay until `remove`.
        """
        if torrent.infohash not in self._seeded:
            self._seeded[torrent.infohash] = _SeededTorrent(torrent, path)
            self._send(AddTorrent(torrent, str(path)))

    def remove(self, infohash: str) -> None:
        """Stop seeding a torrent; its file may be deleted then. Unknown torrents are ignored."""
        if self._seeded.pop(infohash, None) is not None:
            self._send(RemoveTorrent(infohash))

    def is_announced(self, infohash: str) -> bool:
        """Return whether the tracker has acknowledged a torrent and has not lost it since."""
        seeded = self._seeded.get(infohash)
        return seeded is not None and seeded.announced.is_set()

    async def until_announced(self, infohash: str) -> None:
        """Wait until the tracker has acknowledged a torrent. Raises KeyError if it is unknown."""
        await self._seeded[infohash].announced.wait()

    async def run(self) -> None:
        """Seed until cancelled; replace a process that dies."""
        while True:
            try:
                await self._run_process()
            except OSError as error:
                self._exit_fault = f"cannot start the seeder: {error}"
            finally:
                await self.close()
            log.error("%s", self._exit_fault)
            await asyncio.sleep(RESTART_S)

    async def close(self) -> None:
        """Kill the process, if there is one."""
        process, self._process = self._process, None
        self._uploaded_before = self.uploaded_bytes
        self._stats = SeederStats()
        for seeded in self._seeded.values():
            seeded.announced.clear()
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def _run_process(self) -> None:
        pipe = asyncio.subprocess.PIPE
        process = self._process = await asyncio.create_subprocess_exec(
            *SEEDER_COMMAND, stdin=pipe, stdout=pipe, limit=MAX_LINE_BYTES
        )
        assert process.stdout is not None
        self._send(self._configure)
        for seeded in self._seeded.values():
            self._send(AddTorrent(seeded.torrent, str(seeded.path)))
        try:
            while line := await self._read_line(process.stdout):
                self._handle(line)
            status = await process.wait()
            self._exit_fault = f"the seeder died with status {status}: restarting it"
        except TimeoutError:
            self._exit_fault = (
                f"the seeder did not report for {REPORT_TIMEOUT_S:g} s: restarting it"
            )
        except (msgspec.DecodeError, ValueError) as error:
            self._exit_fault = f"the seeder sent an invalid report ({error}): restarting it"

    async def _read_line(self, reports: asyncio.StreamReader) -> bytes:
        # Python 3.11's asyncio.wait_for loses a cancellation that arrives together with the line
        async with asyncio.timeout(REPORT_TIMEOUT_S):
            return await reports.readline()

    def _send(self, command: Command) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(encode(command))

    def _handle(self, line: bytes) -> None:
        report = decode_report(line)
        if isinstance(report, SeederStats):
            self._stats = report
            self._exit_fault = None
        elif isinstance(report, LogLine):
            log.log(report.level, "%s", report.text)
        elif seeded := self._seeded.get(report.infohash):
            seeded.announced.set() if report.ok else seeded.announced.clear()
