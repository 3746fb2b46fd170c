"""One host for the session, deployed once, and its surroundings: store, edge, network."""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ansible.host import HERE, ROOT, Host, image, network
from tests.support import objects

SUITE = os.environ.get("SHOAL_TEST_SUITE", "trixie")
ADDRESS = "10.77.0.2"
OUTSIDE = {"operator": "10.77.0.1/24", "stranger": "10.77.0.66/24"}
OPERATOR = "10.77.0.1"
EDGE_PORT = 8888
TUNNEL = f"{OPERATOR}:7844"
RELAYED_STORE = f"{OPERATOR}:8333"
STREAM_KEY = "key-of-the-operator"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("station")


@pytest.fixture(scope="session")
def root_filesystem() -> Path:
    """The root filesystem of a Debian, like a cloud image."""
    return image(SUITE)


@pytest.fixture(scope="session")
def outside(root_filesystem: Path) -> Iterator[str]:
    """Move this process into the network outside the host; from now on it has no other."""
    # built while the package index is reachable; the play finds it there
    ask = "import platform; print(platform.python_version(), platform.machine())"
    output = subprocess.check_output(
        ["chroot", root_filesystem, "/usr/bin/python3", "-c", ask], text=True
    )
    python, machine = output.split()
    subprocess.run(
        [
            *(sys.executable, ROOT / "tools/build_release.py"),
            *(f"--python={python}", f"--machine={machine}"),
        ],
        check=True,
        timeout=300,
        stdout=subprocess.DEVNULL,
    )
    with network(f"shoal-test-{os.getpid()}", f"{ADDRESS}/24", OUTSIDE) as name:
        yield name


@pytest.fixture(scope="session")
def store(folder: Path, outside: str) -> Iterator[objects.Store]:
    """The object store, with the stand-in for Cloudflare's edge."""
    new = replace(
        objects.new_store(folder),
        access_key_id="id-of-the-bucket-s-key",
        secret_access_key="secret-of-the-bucket-s-key",
    )
    with objects.running(new):
        command = [
            *(sys.executable, HERE / "standins/edge.py"),
            *(str(EDGE_PORT), TUNNEL, str(new.ports["s3"]), RELAYED_STORE),
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as edge:
            try:
                assert edge.stdout is not None
                assert edge.stdout.readline() == b"ready\n"
                yield new
            finally:
                edge.kill()


def owncast_zip(folder: Path, version: str) -> dict[str, str]:
    """Return the role's variables for the stand-in as a release of Owncast."""
    program = (HERE / "standins/owncast.py").read_text().replace("@VERSION@", version)
    path = folder / f"owncast-{version}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("owncast", program)
    return {
        "owncast_version": version,
        "owncast_url": path.as_uri(),
        "owncast_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def poster(folder: Path) -> Path:
    """Return the operator's picture."""
    path = folder / "Our picture.PNG"
    path.write_bytes(b"\x89PNG the picture of the station")
    return path


def variables(folder: Path, store: objects.Store) -> dict[str, object]:
    """Return the operator's variables for this station."""
    cloudflared = HERE / "standins/cloudflared.py"
    return {
        "ansible_host": ADDRESS,
        "ansible_user": "admin",
        "ansible_become": True,
        "base_ssh_cidrs": [f"{OPERATOR}/32"],
        "base_kernel": False,
        "base_prometheus": True,
        **owncast_zip(folder, "0.2.5"),
        "owncast_cache": str(folder / "cache"),
        "owncast_admin_password": "the admin's password",
        "owncast_stream_keys": [STREAM_KEY],
        "owncast_rtmp_cidrs": [f"{OPERATOR}/32"],
        "owncast_name": "The station's name",
        "owncast_latency_level": 1,
        "owncast_variants": [
            {"name": "source", "videoBitrate": 400, "audioBitrate": 64, "framerate": 15}
        ],
        "shoal_hostname": "station.example",
        "shoal_s3_endpoint": f"http://{RELAYED_STORE}",
        "shoal_media_url": store.media_url,
        "shoal_r2_access_key_id": store.access_key_id,
        "shoal_r2_secret_access_key": store.secret_access_key,
        "shoal_broadcaster_token": "broadcaster-token-1",
        "shoal_operator_token": "operator-token-1",
        "shoal_join_secret": "join-secret-1",
        "shoal_station_title": 'A "station" for $5 & `more`',
        "shoal_station_poster": str(poster(folder)),
        "shoal_ice_servers": [],
        "shoal_torrent_stun_server": "",
        # through the stand-in for the tunnel, which has no TLS
        "shoal_tracker_url": "ws://localhost:18080/ws",
        "cloudflared_version": "2026.8.0",
        "cloudflared_url": cloudflared.as_uri(),
        "cloudflared_sha256": hashlib.sha256(cloudflared.read_bytes()).hexdigest(),
        "cloudflared_cache": str(folder / "cache"),
        "cloudflared_tunnel_token": TUNNEL,
    }


@pytest.fixture(scope="session")
def bare(folder: Path, root_filesystem: Path, outside: str, store: objects.Store) -> Iterator[Host]:
    """A host as a cloud provides it."""
    host = Host(folder, root_filesystem, outside, ADDRESS)
    host.variables = variables(folder, store)
    try:
        host.boot(outside)
        yield host
    finally:
        host.stop()


@pytest.fixture(scope="session")
def origin(bare: Host) -> Host:
    """A host with a deployed station."""
    play = bare.play().succeeded()
    assert play.count("changed") > 20
    return bare
