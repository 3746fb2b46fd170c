"""The Owncast stand-in, driven by real RTMP pushes and checked by its output folder."""

import json
import re
import signal
import socket
import stat
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import m3u8
import pytest

from tests.support.station import (
    FFMPEG,
    assert_none_running,
    fetch,
    free_port,
    marked_environment,
    marked_processes,
    wait_for,
)


@dataclass
class Owncast:
    process: subprocess.Popen[bytes]
    hls: Path
    http: str
    rtmp_port: int
    log: Path
    environment: dict[str, str]

    def status(self) -> dict[str, object]:
        return json.loads(fetch(f"{self.http}/api/status"))

    def playlist(self, variant: int = 0) -> m3u8.M3U8:
        try:
            return m3u8.loads((self.hls / str(variant) / "stream.m3u8").read_text())
        except (FileNotFoundError, ValueError):  # emptied, or partly written
            return m3u8.M3U8("")

    def segments(self, variant: int = 0) -> list[str]:
        return [segment.uri or "" for segment in self.playlist(variant).segments]

    def stream_ids(self) -> set[str]:
        found = (re.fullmatch(r"stream-(.+)-\d+\.ts", name) for name in self.segments())
        return {match[1] for match in found if match}

    @contextmanager
    def push(self, size: str = "320x180") -> Iterator[subprocess.Popen[bytes]]:
        picture = ["-re", "-f", "lavfi", "-i", f"testsrc2=size={size}:rate=15"]
        tone = ["-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
        video = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "15"]
        sound = ["-c:a", "aac", "-b:a", "64k", "-f", "flv"]
        url = f"rtmp://127.0.0.1:{self.rtmp_port}/live/key"
        process = subprocess.Popen(
            [FFMPEG, "-v", "error", "-nostdin", *picture, *tone, *video, *sound, url],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@contextmanager
def owncast(directory: Path, *options: str) -> Iterator[Owncast]:
    http, rtmp = free_port(), free_port()
    ports = ["--http-port", str(http), "--rtmp-port", str(rtmp)]
    command = [sys.executable, "-m", "shoal.local.owncast", "--directory", str(directory), *ports]
    directory.mkdir(exist_ok=True)
    log = directory / "log"
    environment = marked_environment()
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *options], stderr=output, env=environment)
    url = f"http://127.0.0.1:{http}"
    try:
        yield Owncast(process, directory / "data/hls", url, rtmp, log, environment)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(10) == 0, log.read_text()
        finally:
            assert_none_running(environment)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_push_that_is_killed_and_resumes(tmp_path: Path) -> None:
    options = ("--source", "rtmp", "--segment-seconds", "1", "--renditions", "2")
    quick = ("--bitrate", "600", "--empty-after", "2")
    with owncast(tmp_path / "oc", *options, *quick) as running:
        idle = ["stream-offline-0.ts", "stream-offline-1.ts"]
        wait_for("idle content", lambda: running.segments() == running.segments(1) == idle)
        assert running.playlist().is_endlist
        assert running.status()["online"] is False

        with running.push() as pusher:
            wait_for("three segments", lambda: len(running.segments()) >= 3)
            assert running.status()["online"] is True
            first = running.stream_ids()
            assert len(first) == 1
            assert not running.playlist().is_endlist
            assert all(segment.program_date_time for segment in running.playlist().segments)
            assert not list(running.hls.glob("*/stream-offline-*"))
            assert [mode(running.hls / n) for n in ("0", "1")] == [0o750, 0o750]
            assert {mode(path) for path in running.hls.glob("*/*")} == {0o644}
            multivariant = m3u8.loads((running.hls / "stream.m3u8").read_text())
            assert [item.uri for item in multivariant.playlists] == [
                "0/stream.m3u8",
                "1/stream.m3u8",
            ]
            assert multivariant.playlists[0].stream_info.resolution == (640, 360)
            assert multivariant.playlists[1].stream_info.resolution == (320, 180)

            with running.push() as second:  # one publisher at a time
                assert second.wait(10) != 0
            assert running.stream_ids() == first

            pusher.kill()
        wait_for("the offline clip", lambda: running.playlist(1).is_endlist)
        assert running.segments()[-1] == running.segments(1)[-1] == "offline-v2.ts"
        assert (running.hls / "0/offline-v2.ts").stat().st_size > 10_000
        assert running.playlist().segments[-1].discontinuity
        assert running.status()["lastDisconnectTime"] is not None

        with running.push():
            wait_for("a new stream", lambda: len(running.stream_ids() - first) == 1)
            assert running.segments()[0].endswith("-0.ts")
            names = [path.name for path in (running.hls / "0").glob("*.ts")]
            assert not [name for name in names if name.startswith(("offline", *first))]
        wait_for("offline again", lambda: "offline-v2.ts" in running.segments())
        wait_for("the folder is emptied", lambda: running.segments() == idle, 10)


def test_a_push_takes_over_from_the_test_picture_which_resumes(tmp_path: Path) -> None:
    options = ("--segment-seconds", "1", "--bitrate", "300", "--resume-after", "0.5")
    with owncast(tmp_path / "oc", *options) as running:
        wait_for("the test picture", lambda: len(running.segments()) >= 2)
        picture = running.stream_ids()
        with running.push():
            wait_for("the push", lambda: running.stream_ids() - picture)
            pushed = running.stream_ids()
            assert len(pushed) == 1
            assert len(marked_processes(running.environment)) == 2  # itself, and one ffmpeg
        wait_for("the picture again", lambda: running.stream_ids() - picture - pushed)

        playlist = fetch(f"{running.http}/hls/0/stream.m3u8").decode()
        name = m3u8.loads(playlist).segments[0].uri
        assert fetch(f"{running.http}/hls/0/{name}")[:1] == b"\x47"  # MPEG-TS sync byte
        for path in ("/hls/../log", "/hls/0/..%2f..%2f..%2flog", "/hls/%2e%2e/%2e%2e/log", "/hls/"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                fetch(running.http + path)
            assert refused.value.code == 404
            refused.value.close()


def test_segment_sizes_match_the_bitrate(tmp_path: Path) -> None:
    with owncast(tmp_path / "oc", "--segment-seconds", "2") as running:
        wait_for("four segments", lambda: len(running.segments()) >= 4)
        sizes = [(running.hls / "0" / name).stat().st_size for name in running.segments()[1:4]]
    mean = sum(sizes) / len(sizes)
    assert mean == pytest.approx(1920 * 1000 / 8 * 2, rel=0.05)


def test_a_file_without_audio_plays_in_a_loop(tmp_path: Path) -> None:
    film = tmp_path / "it's, a [film]:1.mp4"
    make = ["-f", "lavfi", "-i", "testsrc=size=100x200:rate=10:duration=1", "-c:v", "libx264"]
    subprocess.run([FFMPEG, "-v", "error", *make, f"file:{film}"], check=True)
    options = ("--source", str(film), "--segment-seconds", "1", "--bitrate", "300")
    with owncast(tmp_path / "oc", *options) as running:
        wait_for("more than the film", lambda: len(running.segments()) >= 3)
        assert len(running.stream_ids()) == 1


def test_a_connection_without_rtmp_is_closed_and_changes_nothing(tmp_path: Path) -> None:
    options = ("--segment-seconds", "1", "--bitrate", "300")
    with owncast(tmp_path / "oc", *options) as running:
        wait_for("the test picture", running.stream_ids)
        before = running.stream_ids()
        with socket.create_connection(("127.0.0.1", running.rtmp_port), 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert client.recv(1) == b""
        assert running.stream_ids() == before
