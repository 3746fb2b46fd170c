"""One run of a swarm bench: viewers join, are measured for a while, and leave."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shoal.local.store import bytes_sent
from tests.bench import network, processor
from tests.bench.network import Network
from tests.bench.record import load
from tests.bench.swarm_cases import ENGINES, OURS, Case, Engine
from tests.bench.swarm_results import Counts, Window, counts, results
from tests.bench.swarm_slots import BrowserSlot, Slot
from tests.support.corrupt_peer import unpublished_segments
from tests.support.station import Station
from tests.support.viewers import run_in_thread

READY_TIMEOUT_S = 120.0
"""for all viewers together; those that are not ready then count as well"""
WARM_UP_S = 15.0
"""from the last viewer's readiness to the window; at most as long as the window"""
POLL_S = 0.1
QUIET_S = 0.4


def print_line(text: str) -> None:
    """Print a line without buffering."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Run:
    """One run of one case with one engine."""

    def __init__(
        self,
        case: Case,
        engine: Engine,
        running: Station,
        slots: Sequence[Slot],
        network: Network | None,
    ) -> None:
        self._case, self._engine, self._running, self._network = case, engine, running, network
        self._slots = slots
        self._counted = slots[len(slots) - case.counted :]
        self._departed: list[Counts] = []
        self._replaced: set[int] = set()

    def measure(self, window_s: float) -> dict[str, Any]:
        """Let viewers join, measure the window, and let them leave; return the results."""
        try:
            ready = self._join_all()
            self._pause(min(WARM_UP_S, window_s))
            self._until_quiet()
            return {"ready": ready, **self._count(window_s)}
        finally:
            if self._case.stopped:
                processor.send_signal(self._slots[0].pid, signal.SIGCONT)
            for slot in self._slots:
                slot.close()
            for number in self._case.narrowed if self._network else ():
                assert self._network
                self._network.shape(number, self._case.links[number])

    def _join_all(self) -> int:
        """Open all viewers, and wait for them; return how many are ready."""
        self._running.wait_published(self._engine.segments, 180)
        for slot in self._slots:
            slot.open(self._running.local["gateway"], self._engine)
            self._pause(self._case.arrival_s)
        deadline = time.monotonic() + READY_TIMEOUT_S
        ready = 0
        for number, slot in enumerate(self._slots):
            stats = slot.stats()
            while not self._is_ready(number, stats) and time.monotonic() < deadline:
                self._pause(POLL_S)
                stats = slot.stats()
            if self._is_ready(number, stats):
                ready += 1
            else:
                state = {name: stats.get(name) for name in ("playing", "ready", "peers", "members")}
                print_line(f"viewer {number} is not ready after {READY_TIMEOUT_S:.0f} s: {state}")
        return ready

    def _is_ready(self, number: int, stats: dict[str, Any]) -> bool:
        linked = self._engine is not ENGINES[OURS] or (
            stats.get("ready")
            and stats["peers"] >= stats["members"] - 1 - self._case.unreachable(number)
        )
        return bool(stats.get("playing") and linked)

    def _pause(self, seconds: float) -> None:
        """Wait while viewers continue; the last one is never stopped."""
        next(slot for slot in reversed(self._slots) if slot.occupied).pause(seconds)

    def _stats(self) -> list[dict[str, Any]]:
        return [slot.stats() for slot in self._counted]

    def _until_quiet(self) -> None:
        """Wait for a moment when no viewer has a partly received segment; at most two segments."""
        deadline = time.monotonic() + 2 * self._case.segment_s
        before: list[Counts] = []
        while time.monotonic() < deadline:
            now = [counts(stats) for stats in self._stats()]
            if now == before:
                return
            before = now
            self._pause(QUIET_S)

    def _published(self, after: dict[int, int]) -> tuple[dict[int, int], int]:
        """Return the newest sequence by variant, and the bytes of all segments after `after`."""
        newest: dict[int, int] = {}
        size = 0
        for variant in range(self._case.variants):
            segments = self._running.descriptors(variant)
            newest[variant] = segments[-1]["sequence"]
            size += sum(s["size"] for s in segments if s["sequence"] > after.get(variant, 0))
        return newest, size

    def _count(self, window_s: float) -> dict[str, Any]:
        before = [counts(stats) for stats in self._stats()]
        sent = run_in_thread(bytes_sent(self._running.local["store_metrics"]))
        newest, _ = self._published({})
        origin = self._running.origin_video_bytes()
        cpu = [processor.used_s(slot.pid) for slot in self._counted]
        ticks, started_at = processor.ticks(), time.monotonic()
        self._let_pass(window_s, before)
        idle = processor.idle_pct(ticks, processor.ticks())
        seconds = time.monotonic() - started_at
        now = [processor.used_s(slot.pid) for slot in self._counted]
        self._until_quiet()
        last = self._stats()
        rooms = Counter(stats["room"] for stats in last if stats.get("room"))
        changes = [counts(after) - then for after, then in zip(last, before, strict=True)]
        stayed = [change for k, change in enumerate(changes) if k not in self._replaced]
        others = [change for k, change in enumerate(changes) if k in self._replaced]
        window = Window(
            changes=[*stayed, *others, *self._departed],
            stayed=len(stayed),
            viewers=self._case.counted,
            rooms=max(1, len(rooms)),
            seconds=seconds,
            cpu_s=[after - then for after, then in zip(now, cpu, strict=True)],
            sent_bytes=run_in_thread(bytes_sent(self._running.local["store_metrics"])) - sent,
            published_bytes=self._published(newest)[1],
            origin_bytes=int(self._running.origin_video_bytes() - origin),
        )
        return {
            **results(window, last),
            **self._fed(last),
            "playing": sum(stats["playing"] for stats in last),
            "rooms": sorted(rooms.values()),
            "idle_pct": idle,
            "load": load(),
            "seconds": seconds,
            "uploaded": [change.uploaded for change in window.changes[: window.stayed]],
        }

    def _fed(self, last: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Return how many segments players got. Raises AssertionError if one was not published."""
        if not (self._case.headless or self._case.corrupt):
            return {}
        assert all(stats["fed"] for stats in last), "no segments were recorded at a player"
        fed = [digest for stats in last for digest in stats["fed"]]
        unpublished = unpublished_segments(fed, self._running.descriptors())
        assert not unpublished, f"players got segments that nobody published: {unpublished}"
        return {"fed": len(fed)}

    def _let_pass(self, window_s: float, before: list[Counts]) -> None:
        """Let the window pass, with the events of this case."""
        events = sorted(self._events(window_s, before), key=lambda event: event[0])
        started_at = time.monotonic()
        for at_s, act in (*events, (window_s, lambda: None)):
            self._pause(max(0.0, started_at + at_s - time.monotonic()))
            act()

    def _events(
        self, window_s: float, before: list[Counts]
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """Yield the events of this case, with their time in the window, seconds."""
        first = self._slots[0]
        if self._case.stopped:
            yield 0.0, lambda: processor.send_signal(first.pid, signal.SIGSTOP)
        if self._case.corrupt:
            assert isinstance(first, BrowserSlot)
            yield 0.0, first.corrupt
        for number, link in self._case.narrowed.items() if self._network else ():
            yield 0.0, lambda n=number, link=link: self._shape(n, link)
            yield window_s / 2, lambda n=number: self._shape(n, self._case.links[n])
        if rate := self._case.leaving_per_minute:
            for k in range(int(window_s * rate / 60)):
                number = k % len(self._slots)
                yield (k + 0.5) * 60 / rate, lambda n=number: self._replace(n, before)

    def _shape(self, number: int, link: network.Link) -> None:
        assert self._network
        self._network.shape(number, link)

    def _replace(self, number: int, before: list[Counts]) -> None:
        """Let a viewer leave, and another one join."""
        slot = self._slots[number]
        self._departed.append(counts(slot.stats()) - before[number])
        before[number] = Counts()
        self._replaced.add(number)
        slot.close()
        slot.open(self._running.local["gateway"], self._engine)
