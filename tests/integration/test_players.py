"""Real video through the real broadcaster, played by players that know nothing of Shoal."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from shoal.local.store import Store
from tests.support.broadcaster import Broadcaster, broadcaster, get
from tests.support.station import FFMPEG, wait_for

SECONDS = 8
FRAMES_PER_S = 15


def encode(folder: Path, stream: str, kind: str, size: str = "320x180") -> None:
    """Write an HLS stream as ffmpeg does: TS or fMP4, 2 s segments, four of them."""
    folder.mkdir(exist_ok=True)
    suffix = {"mpegts": "ts", "fmp4": "m4s"}[kind]
    picture = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={FRAMES_PER_S}"]
    sound = ["-f", "lavfi", "-i", "sine=sample_rate=48000"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-c:a", "aac", "-t", "8"]
    hls = ["-f", "hls", "-hls_time", "2", "-hls_list_size", "8", "-hls_segment_type", kind]
    flags = ["-hls_flags", "program_date_time+independent_segments+omit_endlist"]
    names = ["-hls_segment_filename", f"{folder}/stream-{stream}-%d.{suffix}"]
    names.append(f"{folder}/stream.m3u8")
    subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin", *picture, *sound, *codecs, *hls, *flags, *names],
        check=True,
        timeout=60,
    )


def decoded_frames(playlist_url: str) -> int:
    """Let ffmpeg play a playlist to its end; every decoding error fails."""
    count = ["-map", "0:v", "-fps_mode", "passthrough", "-f", "null", "-progress", "-", "-"]
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-xerror", "-nostdin", "-i", playlist_url, *count],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return max(int(x[6:]) for x in done.stdout.splitlines() if x.startswith("frame="))


def gstreamer_frames(playlist_url: str) -> int:
    """Let GStreamer play a playlist to its end; every error of an element fails."""
    demux = ["souphttpsrc", f"location={playlist_url}", "!", "hlsdemux", "!", "tsdemux", "!"]
    decode = ["h264parse", "!", "openh264dec", "!"]
    # prints each buffer
    sink = ["fakesink", "sync=false", "silent=false"]
    done = subprocess.run(
        ["gst-launch-1.0", "--verbose", *demux, *decode, *sink],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return len(re.findall(r"last-message = chain ", done.stdout))


def publish_with_a_gap(station: Broadcaster, folder: Path) -> None:
    """Publish two streams, the first without its third segment, to the end of the playlist."""
    published = folder / "hls" / "0"
    published.mkdir()
    for stream, numbers in (("one", (0, 1, 3)), ("two", (0, 1, 2, 3))):
        encode(folder / stream, stream, "mpegts")
        for k in numbers:
            shutil.copy(folder / stream / f"stream-{stream}-{k}.ts", published)
        shutil.copy(folder / stream / "stream.m3u8", published)
        station.wait_published(f"stream-{stream}-3.ts", timeout_s=40)
    end(station, published)


def end(station: Broadcaster, published: Path) -> None:
    """End the playlist, so that players stop."""
    with (published / "stream.m3u8").open("a") as playlist:
        playlist.write("#EXT-X-ENDLIST\n")
    wait_for("closed", lambda: station.playlist().is_endlist, 15)


def test_gstreamer_plays_the_published_stream(tmp_path: Path, store: Store) -> None:
    hls = tmp_path / "hls"
    hls.mkdir()
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "2"}) as station:
        encode(hls / "0", "a", "mpegts")
        station.wait_published("stream-a-3.ts")
        end(station, hls / "0")
        assert gstreamer_frames(f"{station.url}/live/playlist.m3u8") == SECONDS * FRAMES_PER_S


def test_gstreamer_plays_over_a_gap_and_a_discontinuity(tmp_path: Path, store: Store) -> None:
    (tmp_path / "hls").mkdir()
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "2"}) as station:
        publish_with_a_gap(station, tmp_path)
        text = playlist_text(station.url)
        [gap] = re.findall(r"one-1\.ts\n#EXT-X-GAP\n#EXTINF:2\.0+,\n(gap-\d+\.ts)\n", text)
        assert re.search(r"one-3\.ts\n#EXT-X-DISCONTINUITY\n.+\n.+\n.+/stream-two-0\.ts\n", text)
        frames = gstreamer_frames(f"{station.url}/live/playlist.m3u8")
        assert frames == (2 * SECONDS - 2) * FRAMES_PER_S
        answer = get(f"{station.url}/live/{gap}")
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["Content-Type"] == "video/mp2t"
        assert get(f"{station.url}/live/0/{gap}").status == 200
        assert get(f"{station.url}/live/1/{gap}").status == 404
        assert get(f"{station.url}/live/gap-9999.ts").status == 404


@pytest.mark.parametrize("kind", ["mpegts", "fmp4"])
def test_ffmpeg_plays_the_published_stream(tmp_path: Path, store: Store, kind: str) -> None:
    suffix = {"mpegts": "ts", "fmp4": "m4s"}[kind]
    hls = tmp_path / "hls"
    hls.mkdir()
    with broadcaster(tmp_path, store, {"SHOAL_END_GRACE_S": "2"}) as station:
        encode(hls / "0", kind, kind)
        station.wait_published(f"stream-{kind}-3.{suffix}")
        text = get(f"{station.url}/live/playlist.m3u8").body.decode()
        assert text.count("#EXT-X-MAP") == (1 if kind == "fmp4" else 0)
        end(station, hls / "0")
        assert decoded_frames(f"{station.url}/live/playlist.m3u8") == SECONDS * FRAMES_PER_S
        first = get(station.playlist().segments[0].uri or "")
        assert first.headers["Content-Type"] == {"ts": "video/mp2t", "m4s": "video/mp4"}[suffix]
        assert get(f"{station.url}/live/0/stream-{kind}-0.{suffix}").status == 302
        # an init section with the same name but other bytes gets another URL
        if kind == "fmp4":
            encode(hls / "0", "again", kind, size="640x360")
            station.wait_published("stream-again-3.m4s")
            wait_for("closed", lambda: not station.playlist().is_endlist, 15)
            maps = re.findall(r'#EXT-X-MAP:URI="(.+?)"', text + playlist_text(station.url))
            assert len(set(maps)) == 2


def playlist_text(url: str) -> str:
    return get(f"{url}/live/playlist.m3u8").body.decode()
