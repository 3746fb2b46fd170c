"""`make bench-broadcaster`: delays, playlists and long-term growth, and a comparison with ffmpeg.

- publish delay: from a file's last byte to its name in the playlist, without the PUT itself, for
  three variants with 2 s segments on the local store;
- playlists: 2,000 requests/s with compression, the broadcaster pinned to one core and the load to
  another; then as many requests as it can answer;
- soak: 5,000 segments at twenty times real speed, each seeded as a torrent through signaling:
  memory of the broadcaster and of its seeder, files, sockets, torrents, processor time;
- ffmpeg's HLS muxer, which PUTs to the same store: from a segment's end until it is readable.

`ARGS="--quick"` shortens all of these.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import os
import re
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from shoal.broadcaster.owncast_playlist import ListedSegment, PlaylistError, parse_media_playlist
from shoal.local.store import Store
from tests.bench.record import cpu_s, memory_mb, record
from tests.support.broadcaster import Broadcaster, Owncast, broadcaster, get
from tests.support.objects import new_store, running
from tests.support.signaling import signaling
from tests.support.station import FFMPEG, station, wait_for

VARIANTS = 3
SEGMENT_S = 2.0
SEGMENT_PACKETS = 2_553
"""480 kB: 2 s at 1.92 Mbit/s"""
SMALL_PACKETS = 400
POLL_S = 0.002
RATE_PER_S = 2_000
CONNECTIONS = 50
SOAK_SPEED = 20
SOAK_SETTLED = 500
"""segments after which memory must not grow"""

LOG_LINE = re.compile(r"published (stream-\S+) as \d+ of variant (\d+): .*, stored after (\d+) ms")


def percentile(values: list[float], fraction: float) -> float:
    """Return the value that a fraction (0 to 1) of `values` do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * fraction))]


def seeding(url: str) -> dict[str, str]:
    """Return settings of a broadcaster that seeds through the signaling at `url`."""
    return {"SHOAL_SIGNALING_URL": url, "SHOAL_TORRENT_STUN_SERVER": "", "SHOAL_STANDBY": "standby"}


def publish_delays_ms(folder: Path, store: Store, rounds: int) -> list[float]:
    """Return the delay of each segment without its PUT, milliseconds."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream(VARIANTS)
    with signaling(folder) as url, broadcaster(folder, store, seeding(url)) as service:
        written: dict[tuple[int, str], float] = {}
        seen: dict[tuple[int, str], float] = {}
        for index in range(rounds):
            started_at = time.monotonic()
            for variant in range(VARIANTS):
                name = owncast.write("bench", index, variant, packets=SEGMENT_PACKETS)
                path = owncast.path / str(variant) / name
                written[variant, name] = path.stat().st_mtime
            while time.monotonic() - started_at < SEGMENT_S:
                for variant in range(VARIANTS):
                    names = service.names(variant)
                    for key in written.keys() - seen.keys():
                        if key[0] == variant and key[1] in names:
                            seen[key] = time.time()
                time.sleep(POLL_S)
        puts = {
            (int(variant), name): int(ms)
            for name, variant, ms in LOG_LINE.findall(service.log.read_text())
        }
    return [(seen[key] - written[key]) * 1000 - puts[key] for key in written if key in puts]


async def request_playlists(url: str, seconds: float, rate: float | None) -> list[float]:
    """Request a playlist over persistent connections; return each response time, milliseconds.

    `rate`: requests/s over all connections; None: the next request follows each response. A request
    that is late because the one before it took long is timed from when it was due.
    """
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    request = (
        f"GET /live/playlist.m3u8 HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip, br\r\n\r\n"
    ).encode()
    times: list[float] = []
    started_at = time.perf_counter()

    async def connection(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        due = started_at + number / (rate or CONNECTIONS)
        while due - started_at < seconds:
            if rate is not None:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            else:
                due = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            assert head.startswith(b"HTTP/1.1 200"), head
            assert length, head
            await reader.readexactly(int(length[1]))
            times.append((time.perf_counter() - due) * 1000)
            if rate is not None:
                due += CONNECTIONS / rate
        writer.close()

    await asyncio.gather(*(connection(number) for number in range(CONNECTIONS)))
    return times


def playlists(folder: Path, store: Store, seconds: float) -> dict[str, float]:
    """Return rate and times of playlists of a full window; server and load have a core each."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream()
    with broadcaster(folder, store) as service:
        fill(service, owncast, 60)
        cores = sorted(os.sched_getaffinity(0))
        pin(service.process.pid, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        gc.freeze()  # garbage collection of the load would count as the server's delay
        try:
            paced = asyncio.run(request_playlists(service.url, seconds, RATE_PER_S))
            fastest = asyncio.run(request_playlists(service.url, seconds, None))
        finally:
            os.sched_setaffinity(0, set(cores))
    return {
        "playlist_rps": len(paced) / seconds,
        "playlist_p50_ms": percentile(paced, 0.5),
        "playlist_p99_ms": percentile(paced, 0.99),
        "playlist_rps_most": len(fastest) / seconds,
    }


def pin(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def fill(service: Broadcaster, owncast: Owncast, count: int) -> None:
    """Publish `count` segments."""
    for index in range(count):
        owncast.write("fill", index, packets=SMALL_PACKETS)
        if index % 8 == 7 or index == count - 1:
            service.wait_published(f"stream-fill-{index}.ts")


def processes(pid: int) -> list[int]:
    """Return a process and its children: the broadcaster and its seeder."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def open_files(pid: int) -> tuple[int, int]:
    """Return the number of open files and, of these, sockets."""
    folder = Path(f"/proc/{pid}/fd")
    targets: list[str] = []
    for name in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(name.readlink()))
    return len(targets), sum(target.startswith("socket:") for target in targets)


def growth_pct(memory: Sequence[float]) -> float:
    """Return the growth between the medians of the first and last fifth of the samples, percent."""
    fifth = max(1, len(memory) // 5)
    first, last = statistics.median(memory[:fifth]), statistics.median(memory[-fifth:])
    return (last - first) / first * 100


def soak(folder: Path, store: Store, segments: int) -> dict[str, float]:
    """Publish segments at twenty times real speed; return the growth after the first 500."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream()
    settled = min(SOAK_SETTLED, segments // 2)
    with signaling(folder) as url, broadcaster(folder, store, seeding(url)) as service:
        broadcaster_pid, seeder_pid = processes(service.process.pid)
        started_at = time.monotonic()
        memory: dict[int, list[float]] = {broadcaster_pid: [], seeder_pid: []}
        files, sockets, torrents = [0], [0], [0]
        cpu_used_s = 0.0
        for index in range(segments):
            owncast.write("soak", index, packets=SEGMENT_PACKETS)
            if index >= owncast.list_size + 10:
                old = owncast.path / "0" / f"stream-soak-{index - owncast.list_size - 10}.ts"
                old.unlink()
            if index == settled:
                cpu_used_s = sum(cpu_s(pid) for pid in memory)
            if index >= settled and index % 50 == 0:
                for pid, sizes in memory.items():
                    sizes.append(memory_mb(pid))
                counts = [open_files(pid) for pid in memory]
                files.append(sum(count for count, _ in counts))
                sockets.append(sum(count for _, count in counts))
                torrents.append(service.health()["torrents"])
            due = started_at + (index + 1) * SEGMENT_S / SOAK_SPEED
            time.sleep(max(0.0, due - time.monotonic()))
        service.wait_published(f"stream-soak-{segments - 1}.ts")
        cpu_used_s = sum(cpu_s(pid) for pid in memory) - cpu_used_s
        spooled = len(list((folder / "state" / "segments" / "0").glob("*.ts")))
    total = [sum(sizes) for sizes in zip(*memory.values(), strict=True)]
    return {
        "soak_segments": segments,
        "soak_memory_mb": total[-1],
        "soak_memory_growth_pct": growth_pct(total),
        "soak_memory_growth_broadcaster_pct": growth_pct(memory[broadcaster_pid]),
        "soak_memory_growth_seeder_pct": growth_pct(memory[seeder_pid]),
        "soak_open_files_most": max(files),
        "soak_sockets_most": max(sockets),
        "soak_torrents_most": max(torrents),
        "soak_spooled_files": spooled,
        "soak_cpu_ms_per_segment": cpu_used_s / (segments - settled) * 1000,
    }


def readable_delays_s(playlist_url: str, objects_url: str, count: int) -> list[float]:
    """Return the time from each segment's end until its object is readable, seconds."""
    delays: list[float] = []
    known = {segment.name.rpartition("/")[2] for segment in listed(playlist_url)}
    deadline = time.monotonic() + 60
    while len(delays) < count:
        assert time.monotonic() < deadline, f"{playlist_url}: no new segments for 60 s"
        for segment in listed(playlist_url):
            name = segment.name.rpartition("/")[2]
            if name not in known and segment.program_date_time:
                known.add(name)
                url = f"{objects_url}/{name}"
                wait_for("the object is readable", lambda url=url: readable(url), 10)
                began = datetime.fromisoformat(segment.program_date_time).timestamp()
                delays.append(time.time() - began - segment.duration)
        time.sleep(POLL_S)
    return delays


def listed(playlist_url: str) -> tuple[ListedSegment, ...]:
    """Return the segments that a playlist lists; none while it is being replaced."""
    answer = get(playlist_url)
    try:
        return parse_media_playlist(answer.body.decode()).segments if answer.status == 200 else ()
    except PlaylistError:
        return ()


def readable(url: str) -> bool:
    """Return whether the object can be read without credentials."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as response:
            return response.status == 200
    except urllib.error.HTTPError:
        return False


def compare_with_ffmpeg(folder: Path, count: int) -> dict[str, float]:
    """Return delays of the broadcaster, and of ffmpeg's own PUTs to the same store."""
    options = ("--bitrate", "600", "--segment-seconds", "2")
    with station(folder / "station", *options) as stack:
        local = stack.local
        ports: dict[str, int] = json.loads((folder / "station" / "ports.json").read_text())
        bucket = f"{local['store']}/shoal"
        # the store's filer accepts unsigned PUTs
        target = f"http://127.0.0.1:{ports['filer']}/buckets/shoal/ffmpeg"
        source = ["-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"]
        encode = ["-c:v", "libx264", "-preset", "superfast", "-g", "60", "-b:v", "600k"]
        muxer = ["-f", "hls", "-hls_time", "2", "-hls_flags", "program_date_time", "-method", "PUT"]
        names = ["-hls_segment_filename", f"{target}/ff-%d.ts", f"{target}/index.m3u8"]
        ffmpeg = subprocess.Popen(
            [FFMPEG, "-v", "error", "-nostdin", *source, *encode, *muxer, *names],
            stdin=subprocess.DEVNULL,
        )
        try:
            index = f"{bucket}/ffmpeg/index.m3u8"
            wait_for("ffmpeg's playlist", lambda: readable(index), 20)
            theirs = readable_delays_s(index, f"{bucket}/ffmpeg", count)
            ours = readable_delays_s(local["playlist"], f"{bucket}/live/0", count)
        finally:
            ffmpeg.kill()
            ffmpeg.wait()
    return {
        "readable_after_end_s_ours": statistics.median(ours),
        "readable_after_end_s_ffmpeg": statistics.median(theirs),
    }


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run of each part")
    quick: bool = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = new_store(folder)
        with running(store):
            delays = publish_delays_ms(folder / "delay", store, 2 if quick else 40)
            results: dict[str, Any] = {
                "publish_delay_ms_p50": percentile(delays, 0.5),
                "publish_delay_ms_p99": percentile(delays, 0.99),
            }
            results |= playlists(folder / "playlists", store, 1 if quick else 10)
            results |= soak(folder / "soak", store, 60 if quick else 5_000)
        results |= compare_with_ffmpeg(folder, 1 if quick else 15)
    rows = [(key, f"{value:.2f}") for key, value in results.items()]
    record("broadcaster", results, rows)


if __name__ == "__main__":
    main()
