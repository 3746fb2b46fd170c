"""Replays as the public sees them, and their objects in the store."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3

from shoal.local.store import BUCKET, Store
from tests.support.broadcaster import Broadcaster, Owncast, get
from tests.support.station import FFMPEG, wait_for


def replays(station: Broadcaster) -> list[dict[str, Any]]:
    """Return the public list of replays."""
    return get(f"{station.url}/live/replays.json").json["replays"]


def wait_shared(station: Broadcaster, count: int = 1) -> list[dict[str, Any]]:
    """Wait until there are `count` replays, each with its torrent; return them."""

    def ready() -> list[dict[str, Any]] | None:
        listed = replays(station)
        return listed if len(listed) == count and all(r["torrent"] for r in listed) else None

    return wait_for(f"{count} replays with torrents", ready, 40)


def client(store: Store) -> Any:
    """Return an S3 client like the broadcaster's."""
    return boto3.client(  # pyright: ignore[reportUnknownMemberType]
        "s3",
        endpoint_url=store.endpoint,
        region_name="auto",
        aws_access_key_id=store.access_key_id,
        aws_secret_access_key=store.secret_access_key,
    )


def keys(store: Store) -> list[str]:
    """Return the keys below vod/."""
    listed = client(store).list_objects_v2(Bucket=BUCKET, Prefix="vod/")
    return [item["Key"] for item in listed.get("Contents", [])]


def copies(store: Store, stream: str) -> int:
    """Return how many segments of a stream have been copied."""
    return sum(f"/stream-{stream}-" in key for key in keys(store))


def publish(station: Broadcaster, owncast: Owncast, stream: str, numbers: range) -> None:
    """Write segments of a stream, and wait until each is published."""
    for index in numbers:
        station.wait_published(owncast.write(stream, index))


def play(playlist: str) -> tuple[float, str]:
    """Decode a stream to its end; return its seconds and ffmpeg's complaints."""
    done = subprocess.run(
        [FFMPEG, "-v", "warning", "-stats", "-nostdin", "-i", playlist, "-f", "null", "-"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    h, m, s = done.stderr.rpartition("time=")[2].split()[0].split(":")
    complaints = [line for line in done.stderr.splitlines() if "rror" in line or "corrupt" in line]
    return int(h) * 3600 + int(m) * 60 + float(s), "\n".join(complaints)


def download(torrent: bytes, folder: Path) -> dict[str, bytes]:
    """Download a torrent from its web seed alone; libtorrent verifies every piece."""
    file = folder / "replay.torrent"
    file.write_bytes(torrent)
    subprocess.run(
        [sys.executable, "-m", "tests.support.web_seed", str(file), str(folder / "got")],
        check=True,
        timeout=60,
    )
    return {
        str(path.relative_to(folder / "got")): path.read_bytes()
        for path in (folder / "got").rglob("*")
        if path.is_file()
    }
