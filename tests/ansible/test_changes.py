"""New versions, new secrets, more processes: what restarts, and what viewers notice."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.ansible.conftest import ADDRESS, EDGE_PORT, STREAM_KEY, owncast_zip
from tests.ansible.host import Host
from tests.ansible.test_plays import started
from tests.support.station import rtmp_push, wait_for
from tests.support.viewers import Viewer, chromium

pytestmark = pytest.mark.matrix

SHOAL_SERVICES = {"shoal-broadcaster", "shoal-signaling", "shoal-site"}
BUFFERED_SEGMENTS = 4
EDGE = f"http://127.0.0.1:{EDGE_PORT}"


def restarted(origin: Host, before: dict[str, str]) -> set[str]:
    now = started(origin)
    return {name for name, when in now.items() if when != before[name]}


def version(origin: Host) -> str:
    return origin.run("basename $(readlink /opt/shoal/current)")


@pytest.fixture
def on_air(origin: Host) -> Iterator[Host]:
    """A host on air with segments of a usual length."""
    origin.play("--tags", "owncast", owncast_latency_level=4).succeeded()
    with rtmp_push(f"rtmp://{ADDRESS}/live/{STREAM_KEY}"):
        yield origin
    origin.play("--tags", "owncast").succeeded()


def test_a_new_version_and_its_rollback_cause_no_stall(on_air: Host) -> None:
    first = version(on_air)
    with chromium() as browser:
        viewers = [Viewer(browser, f"{EDGE}/") for _ in range(2)]
        for viewer in viewers:
            viewer.wait("s.ready && s.peers === 1 && s.playing && s.segments.complete >= 8", 90)
        with watched_without_a_stall(viewers):
            running = started(on_air)
            on_air.play("--tags", "shoal", shoal_version="0.1.0+two").succeeded()
            assert restarted(on_air, running) == SHOAL_SERVICES
            assert version(on_air) == "0.1.0+two"
        with watched_without_a_stall(viewers):
            running = started(on_air)
            on_air.play(book="rollback.yml").succeeded()
            assert restarted(on_air, running) == SHOAL_SERVICES
            assert version(on_air) == first
    assert "segments_lost" not in on_air.run("journalctl --unit shoal-broadcaster --output cat")


@contextmanager
def watched_without_a_stall(viewers: Sequence[Viewer]) -> Iterator[None]:
    """Check that no viewer stalls in the block or soon after it."""
    started_s = time.monotonic()
    before = [viewer.stats() for viewer in viewers]
    yield
    for viewer in viewers:
        # a late segment would be missed only once the buffer is used up
        complete = viewer.stats()["segments"]["complete"] + BUFFERED_SEGMENTS
        viewer.wait(f"s.peers === 1 && s.playing && s.segments.complete >= {complete}", 90)
    after = [viewer.stats() for viewer in viewers]
    passed_s = time.monotonic() - started_s
    for then, now in zip(before, after, strict=True):
        assert now["stalls"] == then["stalls"]
        assert now["position_s"] - then["position_s"] > passed_s - 10


def test_a_new_secret_restarts_only_the_services_that_use_it(origin: Host) -> None:
    before = started(origin)
    play = origin.play("--tags", "shoal", shoal_operator_token="operator-token-2").succeeded()
    assert restarted(origin, before) == {"shoal-site"}
    assert len(play.changed) == 2, play.changed
    origin.play("--tags", "shoal").succeeded()


def test_owncasts_password_and_key_change_without_a_restart(origin: Host) -> None:
    before = started(origin)
    new = {"owncast_admin_password": "another password", "owncast_stream_keys": ["another-key"]}
    assert origin.play("--tags", "owncast", **new).succeeded().count("changed") > 0
    assert origin.play("--tags", "owncast", **new).succeeded().changed == []
    origin.play("--tags", "owncast").succeeded()
    assert restarted(origin, before) == set()


def test_owncast_goes_up_and_down_with_its_database(origin: Host, folder: Path) -> None:
    database = "/var/lib/owncast/data/owncast.db"
    ask = (
        "import sqlite3,sys;"
        "print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM later').fetchone())"
    )
    origin.play("--tags", "owncast", **owncast_zip(folder, "0.2.6")).succeeded()
    assert "0.2.6" in origin.get("http://localhost:8080/api/status")
    # what the newer version did to its database
    origin.run(
        f"python3 -c \"import sqlite3; sqlite3.connect('{database}')"
        ".execute('CREATE TABLE later (x)')\""
    )
    origin.play("--tags", "owncast", **owncast_zip(folder, "0.2.5")).succeeded()
    assert "0.2.5" in origin.get("http://localhost:8080/api/status")
    assert origin.run(f'python3 -c "{ask}" {database}', check=False) == ""
    assert origin.run(f'python3 -c "{ask}" /var/backups/owncast/0.2.6.db') == "(0,)"
    assert origin.run(f"stat -c %U:%a {database}") == "owncast:600"


def test_several_signaling_processes_share_the_port(origin: Host) -> None:
    many = {"shoal_cluster_local": True, "shoal_signaling_processes": 2}
    origin.play("--tags", "shoal", **many).succeeded()
    units = origin.run(
        "systemctl list-units --plain --no-legend 'shoal-signaling*' | cut -d' ' -f1"
    )
    assert units.split() == ["shoal-signaling@1.service", "shoal-signaling@2.service"]
    assert json.loads(origin.get("http://localhost:8081/health"))["status"] == "ok"
    assert origin.play("--tags", "shoal", **many).succeeded().changed == []
    # Prometheus scrapes each of them, and shows which one does not answer
    both = {"127.0.1.1:8081": "up", "127.0.1.2:8081": "up"}
    wait_for("each is scraped", lambda: scraped_signaling(origin) == both, 60)
    nodes = "min(shoal_cluster_nodes) == 2 and count(process_start_time_seconds"
    nodes += '{job="shoal-signaling"}) == 2'
    # the metrics of the former single process go stale after some scrapes
    wait_for("each reports its metrics", lambda: query(origin, nodes), 90)
    origin.run("systemctl stop shoal-signaling@2")
    both["127.0.1.2:8081"] = "down"
    wait_for("the one that is down is shown", lambda: scraped_signaling(origin) == both, 60)
    origin.play("--tags", "shoal").succeeded()
    alone = {"localhost:8081": "up"}
    wait_for("the only one is scraped", lambda: scraped_signaling(origin) == alone, 60)
    units = origin.run(
        "systemctl list-units --plain --no-legend 'shoal-signaling*' | cut -d' ' -f1"
    )
    assert units.split() == ["shoal-signaling.service"]


def scraped_signaling(origin: Host) -> dict[str, str]:
    """Return the health of Prometheus' signaling targets by address."""
    targets = json.loads(origin.get("http://localhost:9090/api/v1/targets"))
    return {
        target["labels"]["instance"]: target["health"]
        for target in targets["data"]["activeTargets"]
        if target["labels"]["job"] == "shoal-signaling"
    }


def query(origin: Host, expression: str) -> list[Any]:
    url = "http://localhost:9090/api/v1/query?" + urlencode({"query": expression})
    return json.loads(origin.get(url))["data"]["result"]
