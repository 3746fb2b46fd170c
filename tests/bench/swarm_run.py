"""One run of a swarm bench: viewers come, are counted for a while, and go."""

import asyncio
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from shoal.local.store import bytes_sent
from tests.bench import network, processor
from tests.bench.network import Network
from tests.bench.record import load
from tests.bench.swarm_cases import ENGINES, OURS, Case, Engine
from tests.bench.swarm_results import Counts, Window, counts, figures
from tests.bench.swarm_slots import BrowserSeat, Seat
from tests.support.corrupt_peer import unpublished_segments
from tests.support.station import Station

READY_TIMEOUT_S = 120.0
"""for all of them together; who is not ready then counts as well"""
WARM_UP_S = 15.0
"""from the last one's readiness until it counts; no longer than the window"""
POLL_S = 0.1
QUIET_S = 0.4

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line, now."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: Playwright's loop is running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class Run:
    """One engine in one case, once."""

    def __init__(
        self,
        case: Case,
        engine: Engine,
        running: Station,
        places: Sequence[Seat],
        links: Network | None,
    ) -> None:
        self._case, self._engine, self._running, self._links = case, engine, running, links
        self._places = places
        self._counted = places[len(places) - case.counted :]
        self._gone: list[Counts] = []
        self._came: set[int] = set()

    def measure(self, window_s: float) -> dict[str, Any]:
        """Let viewers come, count for a while, let them go."""
        try:
            ready = self._gather()
            self._pause(min(WARM_UP_S, window_s))
            self._until_quiet()
            return {"ready": ready, **self._count(window_s)}
        finally:
            if self._case.stopped:
                processor.tell(self._places[0].pid, signal.SIGCONT)
            for place in self._places:
                place.leave()
            for number in self._case.narrowed if self._links else ():
                assert self._links
                self._links.shape(number, self._case.links[number])

    def _gather(self) -> int:
        """Return how many viewers were ready."""
        self._running.wait_published(self._engine.segments, 180)
        for place in self._places:
            place.open(self._running.local["gateway"], self._engine)
            self._pause(self._case.arrival_s)
        deadline = time.monotonic() + READY_TIMEOUT_S
        ready = 0
        for number, place in enumerate(self._places):
            stats = place.stats()
            while not self._is_ready(number, stats) and time.monotonic() < deadline:
                self._pause(POLL_S)
                stats = place.stats()
            if self._is_ready(number, stats):
                ready += 1
            else:
                said = {name: stats.get(name) for name in ("playing", "ready", "peers", "members")}
                say(f"viewer {number} is not ready: {said}")
        return ready

    def _is_ready(self, number: int, stats: dict[str, Any]) -> bool:
        linked = self._engine is not ENGINES[OURS] or (
            stats.get("ready")
            and stats["peers"] >= stats["members"] - 1 - self._case.unreachable(number)
        )
        return bool(stats.get("playing") and linked)

    def _pause(self, seconds: float) -> None:
        """Wait while viewers go on; the last one is never a stopped one."""
        next(place for place in reversed(self._places) if place.taken).pause(seconds)

    def _stats(self) -> list[dict[str, Any]]:
        return [place.stats() for place in self._counted]

    def _until_quiet(self) -> None:
        """Wait, two segments at most, for a moment when nobody has half of a segment."""
        deadline = time.monotonic() + 2 * self._case.segment_s
        before: list[Counts] = []
        while time.monotonic() < deadline:
            now = [counts(stats) for stats in self._stats()]
            if now == before:
                return
            before = now
            self._pause(QUIET_S)

    def _published(self, after: dict[int, int]) -> tuple[dict[int, int], int]:
        """Return the newest sequences by rendition, and the bytes of segments behind `after`."""
        newest: dict[int, int] = {}
        size = 0
        for variant in range(self._case.renditions):
            segments = self._running.descriptors(variant)
            newest[variant] = segments[-1]["sequence"]
            size += sum(s["size"] for s in segments if s["sequence"] > after.get(variant, 0))
        return newest, size

    def _count(self, window_s: float) -> dict[str, Any]:
        before = [counts(stats) for stats in self._stats()]
        sent = apart(bytes_sent(self._running.local["store_metrics"]))
        newest, _ = self._published({})
        origin = self._running.origin_video_bytes()
        cpu = [processor.used_s(place.pid) for place in self._counted]
        ticks, begun = processor.ticks(), time.monotonic()
        self._pass(window_s, before)
        idle = processor.idle_pct(ticks, processor.ticks())
        seconds = time.monotonic() - begun
        now = [processor.used_s(place.pid) for place in self._counted]
        self._until_quiet()
        last = self._stats()
        rooms = Counter(stats["room"] for stats in last if stats.get("room"))
        changes = [counts(after) - then for after, then in zip(last, before, strict=True)]
        stayed = [change for k, change in enumerate(changes) if k not in self._came]
        others = [change for k, change in enumerate(changes) if k in self._came]
        window = Window(
            changes=[*stayed, *others, *self._gone],
            stayed=len(stayed),
            viewers=self._case.counted,
            rooms=max(1, len(rooms)),
            seconds=seconds,
            cpu_s=[after - then for after, then in zip(now, cpu, strict=True)],
            sent_bytes=apart(bytes_sent(self._running.local["store_metrics"])) - sent,
            published_bytes=self._published(newest)[1],
            origin_bytes=int(self._running.origin_video_bytes() - origin),
        )
        return {
            **figures(window, last),
            **self._fed(last),
            "playing": sum(stats["playing"] for stats in last),
            "rooms": sorted(rooms.values()),
            "idle_pct": idle,
            "load": load(),
            "seconds": seconds,
            "uploaded": [change.uploaded for change in window.changes[: window.stayed]],
        }

    def _fed(self, last: Sequence[dict[str, Any]]) -> dict[str, int]:
        """Return how many segments players got. Raises AssertionError when one of them is false."""
        if not (self._case.headless or self._case.poisoned):
            return {}
        assert all(stats["fed"] for stats in last), "a player's input was not seen"
        fed = [digest for stats in last for digest in stats["fed"]]
        false = unpublished_segments(fed, self._running.descriptors())
        assert not false, f"players were fed with what nobody published: {false}"
        return {"fed": len(fed)}

    def _pass(self, window_s: float, before: list[Counts]) -> None:
        """Let the window pass, with what happens in this case."""
        events = sorted(self._events(window_s, before), key=lambda event: event[0])
        begun = time.monotonic()
        for at_s, happen in (*events, (window_s, lambda: None)):
            self._pause(max(0.0, begun + at_s - time.monotonic()))
            happen()

    def _events(
        self, window_s: float, before: list[Counts]
    ) -> Iterator[tuple[float, Callable[[], None]]]:
        """What happens, and after how many seconds."""
        first = self._places[0]
        if self._case.stopped:
            yield 0.0, lambda: processor.tell(first.pid, signal.SIGSTOP)
        if self._case.poisoned:
            assert isinstance(first, BrowserSeat)
            yield 0.0, first.poison
        for number, link in self._case.narrowed.items() if self._links else ():
            yield 0.0, lambda n=number, link=link: self._shape(n, link)
            yield window_s / 2, lambda n=number: self._shape(n, self._case.links[n])
        if rate := self._case.leaving_per_minute:
            for k in range(int(window_s * rate / 60)):
                number = k % len(self._places)
                yield (k + 0.5) * 60 / rate, lambda n=number: self._replace(n, before)

    def _shape(self, number: int, link: network.Link) -> None:
        assert self._links
        self._links.shape(number, link)

    def _replace(self, number: int, before: list[Counts]) -> None:
        """Let a viewer go and another one come."""
        place = self._places[number]
        self._gone.append(counts(place.stats()) - before[number])
        before[number] = Counts()
        self._came.add(number)
        place.leave()
        place.open(self._running.local["gateway"], self._engine)
