"""Faults on a host: permissions, crashes, hangs, a full disk, an unreachable store."""

import json
import urllib.error
from collections.abc import Iterator
from typing import Any

import m3u8
import pytest

from tests.ansible.conftest import ADDRESS, EDGE_PORT, STREAM_KEY
from tests.ansible.host import Host
from tests.support.station import fetch, rtmp_push, wait_for

pytestmark = pytest.mark.matrix

PUSH = f"rtmp://{ADDRESS}/live/{STREAM_KEY}"


def health(origin: Host) -> dict[str, Any]:
    try:
        return json.loads(origin.get("http://localhost:3000/health"))
    except (AssertionError, ValueError):
        return {"chunks": 0, "problems": [], "status": "away"}


def codes(origin: Host) -> set[str]:
    return {problem["code"] for problem in health(origin)["problems"]}


def wait_for_more_segments(origin: Host, more: int = 3, timeout_s: float = 60) -> None:
    first = wait_for("it answers", lambda: health(origin)["chunks"], 60)
    wait_for(f"{more} more segments", lambda: health(origin)["chunks"] >= first + more, timeout_s)


def playlist() -> m3u8.M3U8:
    return m3u8.loads(fetch(f"http://127.0.0.1:{EDGE_PORT}/live/playlist.m3u8").decode())


@pytest.fixture
def on_air(origin: Host) -> Iterator[Host]:
    with rtmp_push(PUSH):
        wait_for_more_segments(origin)
        yield origin


def test_segments_of_restarted_streams_are_read(origin: Host) -> None:
    for _ in range(2):
        with rtmp_push(PUSH):
            wait_for_more_segments(origin)
            assert "hls_folder" not in codes(origin)


def test_the_first_stream_after_a_boot_is_read_despite_owncasts_umask(origin: Host) -> None:
    origin.reboot()
    assert origin.run("systemctl show --property UMask --value owncast") == "0077"
    wait_for("it answers", lambda: origin.run("ss -Htln 'sport = 1935'", check=False), 60)
    with rtmp_push(PUSH):
        wait_for_more_segments(origin)
    assert "hls_folder" not in codes(origin)


@pytest.mark.parametrize(
    "command", ["restart owncast", "kill --signal KILL --kill-whom main owncast"]
)
def test_segments_of_a_restarted_owncast_are_read(origin: Host, command: str) -> None:
    with rtmp_push(PUSH):
        wait_for_more_segments(origin)
    main = "systemctl show --property MainPID --value owncast"
    before = origin.run(main)
    origin.run(f"systemctl {command}")
    wait_for("another one runs", lambda: origin.run(main) not in (before, "0"), 20)
    wait_for("it answers", lambda: origin.run("ss -Htln 'sport = 1935'", check=False), 20)
    with rtmp_push(PUSH):
        wait_for_more_segments(origin)
    assert "hls_folder" not in codes(origin)


def test_an_unreadable_folder_is_reported_within_5_s(on_air: Host) -> None:
    on_air.run("chmod 700 /run/hls/0")

    def named() -> str:
        problems = health(on_air)["problems"]
        return next((p["message"] for p in problems if p["code"] == "hls_folder"), "")

    message = wait_for("the fault is named", named, 5)
    assert "/run/hls/0" in message
    assert "mode 0700" in message or "mode 2700" in message
    assert "owner owncast" in message
    on_air.run("chmod 2750 /run/hls/0")
    wait_for("it is over", lambda: "hls_folder" not in codes(on_air), 10)
    wait_for_more_segments(on_air)


@pytest.mark.parametrize(
    "name", ["shoal-broadcaster", "shoal-signaling", "shoal-site", "cloudflared"]
)
def test_a_killed_service_restarts(on_air: Host, name: str) -> None:
    before = [segment.uri for segment in playlist().segments][-1]
    on_air.run(f"systemctl kill --signal KILL --kill-whom main {name}")
    wait_for(
        "it is back",
        lambda: (
            on_air.run(f"systemctl show --property NRestarts,ActiveState {name}") != ""
            and on_air.run(f"systemctl is-active {name}", check=False) == "active"
        ),
        20,
    )
    wait_for_more_segments(on_air)

    def reachable() -> bool:
        try:
            uris = [segment.uri for segment in playlist().segments]
        except (urllib.error.URLError, OSError):
            return False
        return before in uris

    # published segments stay published, and none was lost in the meantime
    wait_for("viewers get the playlist", reachable, 20)
    assert not [segment for segment in playlist().segments if segment.gap_tag]


@pytest.mark.parametrize("name", ["shoal-broadcaster", "shoal-signaling", "shoal-site"])
def test_a_hanging_service_is_restarted_by_the_watchdog(on_air: Host, name: str) -> None:
    on_air.run(f"systemctl kill --signal STOP --kill-whom main {name}")

    def watchdog_fired() -> bool:
        return "Watchdog timeout" in on_air.run(f"journalctl --unit {name} --output cat")

    wait_for("the watchdog fires", watchdog_fired, 60)
    wait_for(
        "it is back",
        lambda: on_air.run(f"systemctl is-active {name}", check=False) == "active",
        20,
    )
    wait_for_more_segments(on_air)


def test_a_store_gets_all_segments_after_an_outage(on_air: Host) -> None:
    on_air.run(
        "nft add table inet gone;"
        " nft add chain inet gone out '{ type filter hook output priority 0; }';"
        " nft add rule inet gone out tcp dport 8333 drop"
    )
    wait_for("the store's fault is named", lambda: "store" in codes(on_air), 30)
    first = health(on_air)["chunks"]
    wait_for("the seed carries on", lambda: health(on_air)["chunks"] >= first + 3, 60)
    on_air.run("nft delete table inet gone")
    wait_for("it is over", lambda: "store" not in codes(on_air), 60)
    segments = playlist().segments
    assert not [segment for segment in segments if segment.gap_tag]
    for segment in segments[-8:]:
        assert len(fetch(segment.uri or "")) > 1000


def test_a_full_disk_is_survived(on_air: Host) -> None:
    on_air.run(
        "fallocate -l 8G /var/full || dd if=/dev/zero of=/var/full bs=1M 2>/dev/null", check=False
    )
    try:
        assert on_air.run("df --output=avail / | tail -1").strip() == "0"
        wait_for("it is named", lambda: health(on_air)["problems"], 60)
    finally:
        on_air.run("rm /var/full")
    wait_for_more_segments(on_air)
    wait_for("it is over", lambda: not (codes(on_air) - {"standby", "segments_lost"}), 90)
