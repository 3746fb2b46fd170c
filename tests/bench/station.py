"""`make bench-station`: basic measurements of a real local station.

Time from `shoal up` to the first playable segment; delay from a segment's last byte on disk to its
name in the playlist; share, copies and latency with three viewers; memory of each service at the
end. `ARGS="--minutes 1 --bitrate 300"` makes it short and light, `--segment-seconds 2` even
shorter.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from shoal.local.store import bytes_sent
from tests.bench.record import cpu_s, memory_mb, record
from tests.support.station import Station, fetch, station
from tests.support.viewers import Viewer, chromium, received, run_in_thread, settled

DELAYS_WANTED = 50
VIEWERS = 3
POLL_S = 0.004


async def publish_delays_ms(running: Station, count: int) -> list[float]:
    """Return the time from a segment's mtime to the first playlist that lists it, milliseconds."""
    folder = Path(running.local["hls_dir"]) / "0"
    url = f"{running.local['broadcaster']}/live/playlist.m3u8"
    delays: list[float] = []
    async with aiohttp.ClientSession() as session:
        known: set[str] | None = None
        while len(delays) < count:
            async with session.get(url) as response:
                text = await response.text()
            now = time.time()
            names = {line.rpartition("/")[2] for line in text.splitlines() if line.endswith(".ts")}
            new = names - known if known is not None else set[str]()
            delays.extend((now - (folder / name).stat().st_mtime) * 1000 for name in new)
            known = names
            await asyncio.sleep(POLL_S)
    return delays


def first_segment(data: Path, stream: Sequence[str]) -> float:
    """Return the seconds from the start of `shoal up` to a segment that a viewer can load."""
    started_at = time.monotonic()
    with station(data, *stream) as running:
        running.wait_published(1)
        assert fetch(running.playlist().segments[0].uri or "")
        return time.monotonic() - started_at


def sharing(running: Station, delays_wanted: int) -> dict[str, Any]:
    """Return the results of three viewers, over the time that `delays_wanted` segments take."""
    with chromium() as browser:
        viewers = [Viewer(browser, running.local["watch"]) for _ in range(VIEWERS)]
        for viewer in viewers:
            viewer.wait(f"s.ready && s.peers === {VIEWERS - 1} && s.playing", 60)
        # count whole segments only: halves at either end would distort the share
        before = settled(viewers)
        sent = run_in_thread(bytes_sent(running.local["store_metrics"]))
        newest = running.descriptors()[-1]["sequence"]
        delays = run_in_thread(publish_delays_ms(running, delays_wanted))
        after = settled(viewers)
        sent = run_in_thread(bytes_sent(running.local["store_metrics"])) - sent
        size = sum(s["size"] for s in running.descriptors() if s["sequence"] > newest)
    totals = {"p2p": 0, "store": 0, "seed": 0}
    for one, two in zip(before, after, strict=True):
        for source, count in received(one, two).items():
            totals[source] += count
    return {
        "share": totals["p2p"] / sum(totals.values()),
        "limit": (VIEWERS - 1) / VIEWERS,
        "copies": sent / size,
        "behind_live_s": statistics.median(stats["latency_s"] for stats in after),
        "stalls": sum(
            two["stalls"] - one["stalls"] for one, two in zip(before, after, strict=True)
        ),
        "first_picture_ms": statistics.median(stats["first_picture_ms"] for stats in after),
        "completion_ms": statistics.median(stats["completion_ms"]["median"] for stats in after),
        "publish_delay_ms_p50": statistics.median(delays),
        "publish_delay_ms_worst": max(delays),
        "origin_bytes": running.origin_video_bytes(),
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long the services run")
    parser.add_argument(
        "--bitrate", default="1920", metavar="KBPS", help="of the video [%(default)s]"
    )
    parser.add_argument("--segment-seconds", type=int, default=4, help="[%(default)s]")
    arguments = parser.parse_args()
    minutes: float = arguments.minutes
    segment_s: int = arguments.segment_seconds
    stream = ("--bitrate", arguments.bitrate, "--segment-seconds", str(segment_s))
    with tempfile.TemporaryDirectory() as folder:
        results: dict[str, Any] = {"first_segment_s": first_segment(Path(folder) / "first", stream)}
        started_at = time.monotonic()
        with station(Path(folder) / "station", *stream) as running:
            wanted = max(3, int(minutes * 60 / segment_s / 2))
            results |= sharing(running, min(DELAYS_WANTED, wanted))
            time.sleep(max(0.0, minutes * 60 - (time.monotonic() - started_at)))
            running.refresh()
            pids: dict[str, int] = running.local["pids"]
            results["memory_mb"] = {name: round(memory_mb(pid), 1) for name, pid in pids.items()}
            duration_s = time.monotonic() - started_at
            results["cpu_pct"] = {
                name: round(100 * cpu_s(pid) / duration_s, 1) for name, pid in pids.items()
            }
            results["minutes"] = round(duration_s / 60, 1)
    rows = [
        (name, f"{value:.3f}" if isinstance(value, float) else str(value))
        for name, value in results.items()
    ]
    record("station", results, rows)


if __name__ == "__main__":
    main()
