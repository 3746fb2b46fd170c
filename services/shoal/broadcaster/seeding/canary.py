"""Fetches the newest segment as a stranger would, so that "standby: ok" is true.

It takes the published magnet, and so goes through the public tracker; the web seed in it is left
out, so that the bytes can only come from peers.
"""

import asyncio
import logging
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from shoal.broadcaster.seeding.canary_process import Order, Result
from shoal.broadcaster.timeline import Timeline

log = logging.getLogger("shoal.broadcaster")

INTERVAL_S = 60.0
RETRY_S = 5.0
"""after a fetch that failed: a segment may have left the window meanwhile"""
FIRST_LOOK_S = 1.0
"""how often it looks for a first segment"""
LIMIT_S = 20.0
START_AND_STOP_S = 5.0
"""for the process that fetches, beyond the limit"""
MAX_SEGMENT_BYTES = 64 * 1024 * 1024
FETCH = (sys.executable, "-m", "shoal.broadcaster.seeding.canary_process")


@dataclass(frozen=True)
class Sample:
    """A published segment to be fetched."""

    name: str
    magnet: str
    size: int
    """bytes"""
    sha256: str
    """hex"""


def newest_sample(timeline: Timeline) -> Sample | None:
    """Return the newest segment that is seeded, of any rendition."""
    seeded = [
        descriptor
        for rendition in timeline.renditions.values()
        for descriptor in rendition.descriptors()[-1:]
        if descriptor.magnet
    ]
    if not seeded:
        return None
    newest = max(seeded, key=lambda descriptor: descriptor.sequence)
    return Sample(newest.name, newest.magnet or "", newest.size, newest.sha256)


class Canary:
    """Fetches one magnet a minute, in a process of its own."""

    def __init__(self, newest: Callable[[], Sample | None], *, stun_server: str = "") -> None:
        """Fetch `newest()`; None means that there is nothing to fetch yet."""
        self._newest = newest
        self._stun_server = stun_server
        self.peer_prefix = f"-SC0001-{secrets.token_hex(2)}"
        """how its peer ids begin, so that the seeder need not count it as a viewer"""
        self.fault: str | None = None
        """why the last fetch failed; None when it did not, or before the first"""
        self._proven = False

    @property
    def status(self) -> Literal["ok", "failing"]:
        """Whether the last fetch succeeded; "failing" before the first."""
        return "ok" if self._proven else "failing"

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            sample = self._newest()
            if sample is None:
                await asyncio.sleep(FIRST_LOOK_S)
            else:
                await self.check(sample)
                await asyncio.sleep(INTERVAL_S if self._proven else RETRY_S)

    async def check(self, sample: Sample, limit_s: float = LIMIT_S) -> None:
        """Fetch one segment and note how it went; raises nothing."""
        fault = await self._fault_of(sample, limit_s)
        self._proven = fault is None
        self.fault = None if fault is None else f"fetching {sample.name} as a viewer: {fault}"

    async def _fault_of(self, sample: Sample, limit_s: float) -> str | None:
        if sample.size > MAX_SEGMENT_BYTES:
            return f"its {sample.size} bytes are too many for a check"
        try:
            with TemporaryDirectory(prefix="shoal-canary-") as folder:
                stun, prefix = self._stun_server, self.peer_prefix
                order = Order(sample.magnet, folder, limit_s, stun, prefix, os.getpid())
                result = await _fetch(order)
        except OSError as error:
            return str(error)
        if result.sha256 is None:
            return result.fault
        if result.sha256 != sample.sha256:
            return "other bytes came than were published"
        return None


async def _fetch(order: Order) -> Result:
    """Run the process that fetches; raises OSError when it cannot be started."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*FETCH, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(order.limit_s + START_AND_STOP_S):
            output, _ = await process.communicate(msgspec.json.encode(order))
        return msgspec.json.decode(output, type=Result)
    except TimeoutError:
        return Result(fault="the process that fetches did not end")
    except msgspec.DecodeError:
        return Result(fault=f"the process that fetches died with status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
