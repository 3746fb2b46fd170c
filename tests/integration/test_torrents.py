"""The seeder and the canary with our signaling, and libtorrent processes that fetch."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from shoal.broadcaster.seeding.canary import CANARY_COMMAND, FETCH_TIMEOUT_S, Canary, Sample
from shoal.broadcaster.seeding.canary_process import FetchRequest
from shoal.broadcaster.seeding.supervisor import SeederSupervisor
from shoal.broadcaster.timeline import Timeline, TimelineEntry
from shoal.broadcaster.torrents import tracker_of
from tests.integration.signaling_station import TIMEOUT_S, Signaling, running_signaling
from tests.support.station import free_port
from tests.support.torrents import Published, fetching, publish, seeding
from tests.unit.broadcaster.examples import NOW, assign_sequence, descriptor

WINDOW = 60
NEWEST_ANNOUNCED_S = 2.0
BACK_S = 5.0


@pytest_asyncio.fixture
async def service() -> AsyncGenerator[Signaling]:
    async with running_signaling() as running:
        yield running


async def seed(seeder: SeederSupervisor, published: Published) -> float:
    """Seed and wait for the tracker; return how long that took, in seconds."""
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    seeder.add(published.torrent, published.path)
    await asyncio.wait_for(seeder.until_announced(published.torrent.infohash), TIMEOUT_S)
    return loop.time() - started_at


async def until(condition: Callable[[], bool], limit_s: float = TIMEOUT_S) -> None:
    """Poll a condition for which there is no event."""
    async with asyncio.timeout(limit_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def canary_folders(folder: Path) -> list[Path]:
    return list(folder.glob("shoal-canary-*"))


def canary_processes() -> int:
    """Return how many child processes are canaries."""
    children = "".join(p.read_text() for p in Path("/proc/self/task").glob("*/children")).split()
    lines: list[bytes] = []
    for pid in children:
        with suppress(OSError):
            lines.append((Path("/proc") / pid / "cmdline").read_bytes())
    return sum(b"seeding.canary_process" in line for line in lines)


async def fetched(published: Published, folder: Path, transport: str) -> str:
    """Return the SHA-256 of what a second libtorrent process fetched of a segment."""
    process = fetching(published.torrent.magnet, folder, transport)
    try:
        output, _ = await asyncio.to_thread(process.communicate, timeout=40)
    finally:
        process.kill()
        process.wait()
    return output


def timeline_of(published: Published) -> Timeline:
    """Return a timeline that has only this segment."""
    timeline = Timeline()
    assign_sequence(timeline, "abc", 0)
    newest = sample(published)
    place = msgspec.structs.replace(
        descriptor(timeline, 0),
        name=newest.name,
        magnet=newest.magnet,
        size=newest.size,
        sha256=newest.sha256,
    )
    timeline.append(TimelineEntry(sequence=0, duration=4.0, descriptor=place), NOW)
    return timeline


def sample(published: Published) -> Sample:
    torrent = published.torrent
    return Sample(torrent.name, torrent.magnet, torrent.size, published.sha256)


async def test_a_second_process_fetches_over_webrtc_and_the_log_says_so(
    service: Signaling, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "shoal.broadcaster")
    published = publish(tmp_path, 7, tracker_of(service.url))
    async with seeding(service.seed_url) as seeder:
        await seed(seeder, published)
        assert (seeder.torrents, seeder.peers, seeder.uploaded_bytes) == (1, 0, 0)
        assert await fetched(published, tmp_path, "webrtc") == published.sha256
        await until(lambda: seeder.uploaded_bytes > 0.9 * published.torrent.size)
        assert seeder.peers == 1
        await until(lambda: "Uploaded" in caplog.text)
        lines = [record.message for record in caplog.records]
        assert "👥 New peer connected to stream-abc-7.ts (total: 1)" in lines
        assert "⬆️ Uploaded 1200.0 KB via P2P to 1 peer" in lines

        seeder.remove(published.torrent.infohash)
        published.path.unlink()
        assert seeder.torrents == 0
        assert not seeder.is_announced(published.torrent.infohash)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_second_process_fetches_over_tcp_if_the_seeder_listens(
    service: Signaling, tmp_path: Path
) -> None:
    port = free_port()
    published = publish(tmp_path, 1, tracker_of(service.url), peer_address=f"127.0.0.1:{port}")
    async with seeding(service.seed_url, listen_port=port) as seeder:
        await seed(seeder, published)
        assert await fetched(published, tmp_path, "tcp") == published.sha256
        await until(lambda: seeder.uploaded_bytes > 0.9 * published.torrent.size)


async def test_the_upload_budget_holds(service: Signaling, tmp_path: Path) -> None:
    mbps = 0.8  # 100 KB/s, and 500 KB at once
    published = publish(tmp_path, 1, tracker_of(service.url), size=900_000)
    async with seeding(service.seed_url, upload_mbps=mbps) as seeder:
        await seed(seeder, published)
        started_at = asyncio.get_running_loop().time()
        assert await fetched(published, tmp_path, "webrtc") == published.sha256
        assert asyncio.get_running_loop().time() - started_at > 3


async def test_a_new_torrent_is_announced_within_two_seconds(
    service: Signaling, tmp_path: Path
) -> None:
    window = [publish(tmp_path, index, tracker_of(service.url)) for index in range(WINDOW + 5)]
    async with seeding(service.seed_url) as seeder:
        first = await asyncio.gather(*(seed(seeder, published) for published in window[:WINDOW]))
        newest: list[float] = []
        for old, new in zip(window, window[WINDOW:], strict=False):
            newest.append(await seed(seeder, new))
            seeder.remove(old.torrent.infohash)
        assert seeder.torrents == WINDOW
        print(f"\n{WINDOW} at once: {max(first):.2f} s, the newest: {max(newest):.2f} s")  # noqa: T201
        assert max(newest) <= NEWEST_ANNOUNCED_S
        assert await fetched(window[-1], tmp_path, "webrtc") == window[-1].sha256


async def test_after_a_restart_of_the_tracker_every_torrent_is_announced_again(
    service: Signaling, tmp_path: Path
) -> None:
    window = [publish(tmp_path, index, tracker_of(service.url)) for index in range(WINDOW)]
    async with seeding(service.seed_url) as seeder:
        await asyncio.gather(*(seed(seeder, published) for published in window))
        await service.stop()
        await until(lambda: not any(seeder.is_announced(p.torrent.infohash) for p in window))
        await service.start()
        back = asyncio.get_running_loop().time()
        async with asyncio.timeout(BACK_S):
            for published in window:
                await seeder.until_announced(published.torrent.infohash)
        took_s = asyncio.get_running_loop().time() - back
        print(f"\n{WINDOW} torrents announced again {took_s:.2f} s after the tracker was back")  # noqa: T201
        assert await fetched(window[0], tmp_path, "webrtc") == window[0].sha256
        assert seeder.fault is None


async def test_the_canary_succeeds_while_the_seeder_seeds_and_explains_failures(
    service: Signaling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    published = publish(tmp_path, 1, tracker_of(service.url))
    canary = Canary(timeline_of(published))
    assert (canary.status, canary.fault) == ("failing", None)
    async with seeding(service.seed_url, not_counted=canary.peer_prefix) as seeder:
        await seed(seeder, published)
        checking = asyncio.create_task(canary.run())
        await until(lambda: canary.status == "ok", FETCH_TIMEOUT_S)
        checking.cancel()
        await asyncio.gather(checking, return_exceptions=True)
        assert (canary.fault, seeder.peers, seeder.uploaded_bytes) == (None, 0, 0)

        wrong = Sample("x.ts", published.torrent.magnet, published.torrent.size, "00" * 32)
        await canary.check(wrong)
        assert canary.fault == (
            "cannot fetch x.ts as a viewer: the bytes received differ from those published"
        )
        await canary.check(sample(published))
        assert canary.status == "ok"

    await canary.check(sample(published), timeout_s=1.0)
    assert canary.status == "failing"
    assert canary.fault == (
        "cannot fetch stream-abc-1.ts as a viewer: timed out after 1 s:"
        " the tracker named no peer that sent it"
    )
    await service.stop()
    await canary.check(sample(published), timeout_s=1.0)
    assert canary.fault is not None
    assert not canary_folders(tmp_path)


async def test_a_stopped_canary_leaves_nothing_behind(
    service: Signaling, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    published = publish(tmp_path, 1, tracker_of(service.url))
    checking = asyncio.create_task(Canary(timeline_of(published)).run())
    await until(lambda: bool(canary_folders(tmp_path)) and canary_processes() > 0)
    checking.cancel()
    await asyncio.gather(checking, return_exceptions=True)
    assert not canary_folders(tmp_path)
    await until(lambda: canary_processes() == 0)


async def test_a_canary_process_ends_with_its_broadcaster(
    service: Signaling, tmp_path: Path
) -> None:
    magnet = publish(tmp_path, 1, tracker_of(service.url)).torrent.magnet
    no_process = 2**30  # higher than any pid
    request = FetchRequest(magnet, str(tmp_path), FETCH_TIMEOUT_S, "", "-SH0001-", no_process)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*CANARY_COMMAND, stdin=pipe, stdout=pipe)
    async with asyncio.timeout(FETCH_TIMEOUT_S / 2):
        output, _ = await process.communicate(msgspec.json.encode(request))
    assert output == b""
    assert process.returncode == 1


async def test_a_seeder_process_that_dies_is_replaced_and_seeds_the_window_again(
    service: Signaling, tmp_path: Path
) -> None:
    window = [publish(tmp_path, index, tracker_of(service.url)) for index in range(WINDOW)]
    async with seeding(service.seed_url) as seeder:
        await asyncio.gather(*(seed(seeder, published) for published in window))
        assert await fetched(window[0], tmp_path, "webrtc") == window[0].sha256
        size = window[0].torrent.size
        await until(lambda: seeder.uploaded_bytes > 0.9 * size)
        dead = seeder.pid
        assert dead is not None
        os.kill(dead, signal.SIGKILL)
        await until(lambda: seeder.fault is not None)
        assert seeder.fault == "the seeder died with status -9: restarting it"
        async with asyncio.timeout(BACK_S):
            for published in window:
                await seeder.until_announced(published.torrent.infohash)
        await until(lambda: seeder.fault is None)
        assert seeder.pid not in (None, dead)
        assert await fetched(window[-1], tmp_path, "webrtc") == window[-1].sha256
        # uploads of the dead process still count
        await until(lambda: seeder.uploaded_bytes > 1.8 * size)
    assert seeder.pid is None
