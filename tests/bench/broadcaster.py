"""`make bench-broadcaster`: how fast, how steady, and beside ffmpeg's own upload.

- publish delay: a file's last byte → its name in the playlist, less the PUT itself, with three
  renditions of 2 s segments on the local store;
- playlists: 2,000 requests/s with compression, the broadcaster pinned to one core and the load to
  another; and the most that it answers;
- soak: 5,000 segments at twenty times real speed, each seeded as a torrent through signaling:
  memory of the broadcaster and of its seeder, files, sockets, torrents, processor time;
- ffmpeg's HLS muxer with its own HTTP PUT output to the same store: segment end → object readable.

`ARGS="--quick"` makes all of it short.
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
"""segments after which memory must be flat"""

LOG_LINE = re.compile(r"published (stream-\S+) as \d+ of rendition (\d+).* stored in (\d+) ms")


def percentile(values: list[float], part: float) -> float:
    """The value that `part` (0 to 1) of `values` do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def seeding(url: str) -> dict[str, str]:
    """Settings of a broadcaster that seeds through the signaling at `url`."""
    return {"SHOAL_SIGNALING_URL": url, "SHOAL_TORRENT_STUN_SERVER": "", "SHOAL_STANDBY": "standby"}


def publish_delays_ms(folder: Path, store: Store, rounds: int) -> list[float]:
    """Delay beyond the PUT of each segment, milliseconds."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream(VARIANTS)
    with signaling(folder) as url, broadcaster(folder, store, seeding(url)) as running_one:
        written: dict[tuple[int, str], float] = {}
        seen: dict[tuple[int, str], float] = {}
        for k in range(rounds):
            begun = time.monotonic()
            for variant in range(VARIANTS):
                name = owncast.write("bench", k, variant, packets=SEGMENT_PACKETS)
                path = owncast.path / str(variant) / name
                written[variant, name] = path.stat().st_mtime
            while time.monotonic() - begun < SEGMENT_S:
                for variant in range(VARIANTS):
                    names = running_one.names(variant)
                    for key in written.keys() - seen.keys():
                        if key[0] == variant and key[1] in names:
                            seen[key] = time.time()
                time.sleep(POLL_S)
        puts = {
            (int(variant), name): int(ms)
            for name, variant, ms in LOG_LINE.findall(running_one.log.read_text())
        }
    return [(seen[key] - written[key]) * 1000 - puts[key] for key in written if key in puts]


async def request_playlists(url: str, seconds: float, rate: float | None) -> list[float]:
    """Ask for a playlist over kept connections; return each answer's time in milliseconds.

    `rate` in requests/s over all connections; None asks as fast as answers come. A request that is
    sent late because the one before it took long counts from when it was due.
    """
    host, port = url.removeprefix("http://").split("/")[0].split(":")
    request = (
        f"GET /live/playlist.m3u8 HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip, br\r\n\r\n"
    ).encode()
    times: list[float] = []
    begun = time.perf_counter()

    async def connection(number: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        due = begun + number / (rate or CONNECTIONS)
        while due - begun < seconds:
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
    """Playlist answers by a full window, server and load on a core each."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream()
    with broadcaster(folder, store) as running_one:
        fill(running_one, owncast, 60)
        cores = sorted(os.sched_getaffinity(0))
        pin(running_one.process.pid, {cores[0]})
        os.sched_setaffinity(0, {cores[-1]})
        gc.freeze()  # the load's own collections are no delay of the server's
        try:
            paced = asyncio.run(request_playlists(running_one.url, seconds, RATE_PER_S))
            most = asyncio.run(request_playlists(running_one.url, seconds, None))
        finally:
            os.sched_setaffinity(0, set(cores))
    return {
        "playlist_rps": len(paced) / seconds,
        "playlist_p50_ms": percentile(paced, 0.5),
        "playlist_p99_ms": percentile(paced, 0.99),
        "playlist_rps_most": len(most) / seconds,
    }


def pin(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to some cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), cores)


def fill(running_one: Broadcaster, owncast: Owncast, count: int) -> None:
    """Publish `count` segments."""
    for k in range(count):
        owncast.write("fill", k, packets=SMALL_PACKETS)
        if k % 8 == 7 or k == count - 1:
            running_one.wait_published(f"stream-fill-{k}.ts")


def processes(pid: int) -> list[int]:
    """A process and its children: the broadcaster and its seeder."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def open_files(pid: int) -> tuple[int, int]:
    """Open files and, of these, sockets."""
    folder = Path(f"/proc/{pid}/fd")
    targets: list[str] = []
    for name in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(name.readlink()))
    return len(targets), sum(target.startswith("socket:") for target in targets)


def growth_pct(memory: Sequence[float]) -> float:
    """Growth from the first fifth of the samples to the last, medians, percent."""
    part = max(1, len(memory) // 5)
    first, last = statistics.median(memory[:part]), statistics.median(memory[-part:])
    return (last - first) / first * 100


def soak(folder: Path, store: Store, segments: int) -> dict[str, float]:
    """Many segments at twenty times real speed; growth after the first five hundred."""
    owncast = Owncast(folder / "hls")
    owncast.path.mkdir(parents=True)
    owncast.start_stream()
    settled = min(SOAK_SETTLED, segments // 2)
    with signaling(folder) as url, broadcaster(folder, store, seeding(url)) as running_one:
        broadcaster_pid, seeder_pid = processes(running_one.process.pid)
        begun = time.monotonic()
        memory: dict[int, list[float]] = {broadcaster_pid: [], seeder_pid: []}
        files, sockets, torrents = [0], [0], [0]
        used = 0.0
        for k in range(segments):
            owncast.write("soak", k, packets=SEGMENT_PACKETS)
            if k >= owncast.list_size + 10:
                old = owncast.path / "0" / f"stream-soak-{k - owncast.list_size - 10}.ts"
                old.unlink()
            if k == settled:
                used = sum(cpu_s(pid) for pid in memory)
            if k >= settled and k % 50 == 0:
                for pid, sizes in memory.items():
                    sizes.append(memory_mb(pid))
                counts = [open_files(pid) for pid in memory]
                files.append(sum(count for count, _ in counts))
                sockets.append(sum(count for _, count in counts))
                torrents.append(running_one.health()["torrents"])
            time.sleep(max(0.0, begun + (k + 1) * SEGMENT_S / SOAK_SPEED - time.monotonic()))
        running_one.wait_published(f"stream-soak-{segments - 1}.ts")
        used = sum(cpu_s(pid) for pid in memory) - used
        spooled = len(list((folder / "state" / "segments" / "0").glob("*.ts")))
    together = [sum(sizes) for sizes in zip(*memory.values(), strict=True)]
    return {
        "soak_segments": segments,
        "soak_memory_mb": together[-1],
        "soak_memory_growth_pct": growth_pct(together),
        "soak_memory_growth_broadcaster_pct": growth_pct(memory[broadcaster_pid]),
        "soak_memory_growth_seeder_pct": growth_pct(memory[seeder_pid]),
        "soak_open_files_most": max(files),
        "soak_sockets_most": max(sockets),
        "soak_torrents_most": max(torrents),
        "soak_spooled_files": spooled,
        "soak_cpu_ms_per_segment": used / (segments - settled) * 1000,
    }


def readable_delays_s(playlist_url: str, objects_url: str, count: int) -> list[float]:
    """Segment end by its own clock → object readable at the store, seconds."""
    delays: list[float] = []
    known = {segment.name.rpartition("/")[2] for segment in listed(playlist_url)}
    deadline = time.monotonic() + 60
    while len(delays) < count:
        assert time.monotonic() < deadline, f"{playlist_url} brings no segments"
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
    """What a playlist names; nothing while it is being replaced."""
    answer = get(playlist_url)
    try:
        return parse_media_playlist(answer.body.decode()).segments if answer.status == 200 else ()
    except PlaylistError:
        return ()


def readable(url: str) -> bool:
    """Whether the store gives the object to anybody."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as response:
            return response.status == 200
    except urllib.error.HTTPError:
        return False


def beside_ffmpeg(folder: Path, count: int) -> dict[str, float]:
    """Our whole way, and ffmpeg's own PUTs into the same store, side by side."""
    options = ("--bitrate", "600", "--segment-seconds", "2")
    with station(folder / "station", *options) as running_one:
        local = running_one.local
        ports: dict[str, int] = json.loads((folder / "station" / "ports.json").read_text())
        bucket = f"{local['store']}/shoal"
        # the store's own HTTP door takes PUTs that are not signed
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
    parser.add_argument("--quick", action="store_true", help="a little of everything")
    quick: bool = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = new_store(folder)
        with running(store):
            delays = publish_delays_ms(folder / "delay", store, 2 if quick else 40)
            figures: dict[str, Any] = {
                "publish_delay_ms_p50": percentile(delays, 0.5),
                "publish_delay_ms_p99": percentile(delays, 0.99),
            }
            figures |= playlists(folder / "playlists", store, 1 if quick else 10)
            figures |= soak(folder / "soak", store, 60 if quick else 5_000)
        figures |= beside_ffmpeg(folder, 1 if quick else 15)
    rows = [(key, f"{value:.2f}") for key, value in figures.items()]
    record("broadcaster", figures, rows)


if __name__ == "__main__":
    main()
