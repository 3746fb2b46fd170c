"""Encodes one stream after another, as Owncast does: start, takeover, end, idle."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shoal.errors import OperatorError
from shoal.local import ffmpeg, ports, process
from shoal.local.owncast_output import OFFLINE_CLIP, PLAYLIST_SEGMENTS, OwncastOutput
from shoal.local.receiver import Receiver
from shoal.local.rtmp import Push
from shoal.local.variants import Variant

CLEANUP_EVERY_S = 60.0  # Owncast deletes old segments each minute of a stream
FLUSH_TIMEOUT_S = 5.0  # for ffmpeg to write its last segment after a push ends

log = logging.getLogger("shoal.local.encoder")


@dataclass(frozen=True)
class EncoderSettings:
    """What to encode."""

    fallback: ffmpeg.Input | None
    """plays while there is no push; None: be offline then"""
    variants: Sequence[Variant]
    segment_s: int
    resume_after_s: float
    """seconds without a push until the fallback resumes"""
    empty_after_s: float
    """seconds after a stream until the folder is emptied, if there is no fallback"""


class Encoder:
    """Runs at most one ffmpeg, and manages the folder as Owncast would."""

    def __init__(
        self, settings: EncoderSettings, output: OwncastOutput, receiver: Receiver
    ) -> None:
        self._settings = settings
        self._output = output
        self._receiver = receiver
        self._clip = output.root.parent.parent / OFFLINE_CLIP
        self._waiting: Push | None = None
        self._pushed = asyncio.Event()
        self.connected_at: datetime | None = None
        self.disconnected_at: datetime | None = None
        self.online = False

    def accept(self, push: Push) -> None:
        """Play a push next."""
        self._waiting = push
        self._pushed.set()

    async def run(self) -> None:
        """Play one stream after another until cancelled."""
        await self._make_offline_clip()
        fallback = self._settings.fallback
        wait_s: float | None = 0.0
        while True:
            push = await self._next_push(wait_s)
            if push is None and fallback is None:
                await self._show_idle()
                wait_s = None
                continue
            taken_over = await self._stream(push)
            if taken_over:
                continue
            wait_s = (
                self._settings.empty_after_s if fallback is None else self._settings.resume_after_s
            )

    async def _next_push(self, timeout_s: float | None) -> Push | None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pushed.wait(), timeout_s)
        push, self._waiting = self._waiting, None
        self._pushed.clear()
        return push

    async def _stream(self, push: Push | None) -> bool:
        """Play a push, or else the fallback; return whether another push took over."""
        stream_id = ffmpeg.new_stream_id()
        name = "the fallback" if push is None else f"a push from {push.address}"
        log.info("stream %s starts: %s", stream_id, name)
        self._go_online()
        files_before = self._receiver.files
        cleanup = asyncio.create_task(self._clean_up_each_minute())
        try:
            taken_over = await self._encode(stream_id, push)
        finally:
            cleanup.cancel()
            self._go_offline()
            if push is not None:
                push.close()
        if self._receiver.files == files_before and not taken_over:
            log.warning(
                "stream %s ended without a segment: check that it has video and audio", name
            )
        await self._receiver.wait_idle()
        if not taken_over:
            self._output.append_offline_clip(self._clip)
        log.info("stream %s ended%s", stream_id, ": a push takes over" if taken_over else "")
        return taken_over

    async def _encode(self, stream_id: str, push: Push | None) -> bool:
        if push is not None:
            port = ports.free_port()
            source = ffmpeg.push_input(port)
        else:
            assert self._settings.fallback is not None  # otherwise run() shows the idle stream
            port, source = 0, self._settings.fallback
        command = ffmpeg.stream_command(
            source, self._settings.variants, self._settings.segment_s, stream_id, self._receiver.url
        )
        running = await process.spawn(command)
        ended = asyncio.create_task(running.wait())
        other = asyncio.create_task(push.splice(port) if push else self._wait_for_push())
        try:
            await asyncio.wait((ended, other), return_when=asyncio.FIRST_COMPLETED)
            if push is not None:
                await asyncio.wait((ended,), timeout=FLUSH_TIMEOUT_S)
            return push is None and self._pushed.is_set() and not ended.done()
        finally:
            other.cancel()
            await process.stop(running, 0)
            await asyncio.gather(other, ended, return_exceptions=True)

    async def _wait_for_push(self) -> None:
        await self._pushed.wait()

    def _go_online(self) -> None:
        self._output.reset()
        self.connected_at, self.online = datetime.now(UTC), True

    def _go_offline(self) -> None:
        self.disconnected_at, self.online = datetime.now(UTC), False

    async def _clean_up_each_minute(self) -> None:
        while True:
            await asyncio.sleep(CLEANUP_EVERY_S)
            self._output.delete_old_segments(PLAYLIST_SEGMENTS[self._settings.segment_s])

    async def _make_offline_clip(self) -> None:
        if not self._clip.exists():
            self._clip.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._clip.with_suffix(f".{time.monotonic_ns()}.tmp")
            await _run(ffmpeg.offline_clip_command(temporary))
            temporary.rename(self._clip)

    async def _show_idle(self) -> None:
        log.info("idle: waiting for a push")
        self._output.reset()
        await _run(
            ffmpeg.idle_command(self._clip, len(self._settings.variants), self._receiver.url)
        )
        await self._receiver.wait_idle()


async def _run(command: Sequence[str]) -> None:
    running = await process.spawn(command)
    try:
        status = await running.wait()
    finally:
        await process.stop(running, 0)
    if status:
        raise OperatorError(f"ffmpeg failed with status {status}: see its output in the log")
