"""Fetches the newest segment as any viewer would, so that `standby: ok` is proven.

It takes the published magnet, and so goes through the public tracker; the magnet's web seed is
ignored, so that the bytes can only come from peers.
"""

import asyncio
import os
import secrets
import sys
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Literal

import msgspec

from shoal.broadcaster.seeding.canary_process import FetchRequest, FetchResult
from shoal.broadcaster.timeline import Timeline

INTERVAL_S = 60.0
RETRY_S = 5.0
"""after a failed fetch: the segment may have left the window meanwhile"""
FIRST_SEGMENT_POLL_S = 1.0
FETCH_TIMEOUT_S = 20.0
PROCESS_OVERHEAD_S = 5.0
"""for the process to start and stop, beyond the fetch itself"""
MAX_SEGMENT_BYTES = 64 * 1024 * 1024
CANARY_COMMAND = (sys.executable, "-m", "shoal.broadcaster.seeding.canary_process")


@dataclass(frozen=True)
class Sample:
    """A published segment to fetch."""

    name: str
    magnet: str
    size: int
    """bytes"""
    sha256: str
    """hex"""


def newest_sample(timeline: Timeline) -> Sample | None:
    """Return the newest seeded segment of any variant."""
    seeded = [
        descriptor
        for window in timeline.windows.values()
        for descriptor in window.descriptors()[-1:]
        if descriptor.magnet
    ]
    if not seeded:
        return None
    newest = max(seeded, key=lambda descriptor: descriptor.sequence)
    return Sample(newest.name, newest.magnet or "", newest.size, newest.sha256)


class Canary:
    """Fetches one magnet a minute, in a process of its own."""

    def __init__(self, timeline: Timeline, *, stun_server: str = "") -> None:
        """Fetch the newest segment of `timeline`."""
        self._timeline = timeline
        self._stun_server = stun_server
        self.peer_prefix = f"-SC0001-{secrets.token_hex(2)}"
        """how its peer ids begin, so that the seeder can leave it out of its count of viewers"""
        self.fault: str | None = None
        """why the last fetch failed; None if it did not, or before the first"""
        self._succeeded = False

    @property
    def status(self) -> Literal["ok", "failing"]:
        """Whether the last fetch succeeded; "failing" before the first."""
        return "ok" if self._succeeded else "failing"

    async def run(self) -> None:
        """Fetch until cancelled."""
        while True:
            sample = newest_sample(self._timeline)
            if sample is None:
                await asyncio.sleep(FIRST_SEGMENT_POLL_S)
            else:
                await self.check(sample)
                await asyncio.sleep(INTERVAL_S if self._succeeded else RETRY_S)

    async def check(self, sample: Sample, timeout_s: float = FETCH_TIMEOUT_S) -> None:
        """Fetch one segment and keep the result in `status` and `fault`; raises nothing."""
        fault = await self._find_fault(sample, timeout_s)
        self._succeeded = fault is None
        self.fault = None if fault is None else f"cannot fetch {sample.name} as a viewer: {fault}"

    async def _find_fault(self, sample: Sample, timeout_s: float) -> str | None:
        if sample.size > MAX_SEGMENT_BYTES:
            return f"its {sample.size} bytes are too many for a check"
        try:
            with TemporaryDirectory(prefix="shoal-canary-") as folder:
                stun, prefix = self._stun_server, self.peer_prefix
                request = FetchRequest(sample.magnet, folder, timeout_s, stun, prefix, os.getpid())
                result = await _fetch(request)
        except OSError as error:
            return str(error)
        if result.sha256 is None:
            return result.fault
        if result.sha256 != sample.sha256:
            return "the bytes received differ from those published"
        return None


async def _fetch(request: FetchRequest) -> FetchResult:
    """Run the process that fetches. Raises OSError when it cannot be started."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*CANARY_COMMAND, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(request.limit_s + PROCESS_OVERHEAD_S):
            output, _ = await process.communicate(msgspec.json.encode(request))
        return msgspec.json.decode(output, type=FetchResult)
    except TimeoutError:
        return FetchResult(fault="the canary process did not end")
    except msgspec.DecodeError:
        return FetchResult(fault=f"the canary process died with status {process.returncode}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
