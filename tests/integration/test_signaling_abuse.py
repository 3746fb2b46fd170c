"""Many attackers, and a bystander whose announces are timed meanwhile."""

import asyncio
import resource
import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shoal.auth import issue_join_token
from shoal.p2p_media_loader import SWARM_ID, info_hashes
from tests.integration.test_signaling_fuzz import memory_kb
from tests.support.raw_websocket import (
    CLOSE,
    TIMEOUT_S,
    RawSocket,
    close_all,
    frame,
    handshake,
    message,
)
from tests.support.signaling import JOIN_SECRET, SignalingProcess, signaling_process

[LIVE] = info_hashes(SWARM_ID)
MAX_DELAY_S = 1.0
"""for the p95 of the bystander's round trips, beyond that of a quiet time; attackers run on the
same cores"""
QUIET_S = 0.5
INTERVAL_S = 0.025
ATTACKER = "CF-Connecting-IP: 203.0.113.7"


@pytest.fixture(scope="module", autouse=True)
def raise_file_limit() -> None:
    """Both ends of thousands of connections are on this machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncGenerator[SignalingProcess]:
    with signaling_process(tmp_path) as process:
        yield process
        await close_all()
    assert "Traceback" not in (tmp_path / "signaling.log").read_text()


async def samples(running: SignalingProcess) -> list[Sample]:
    async with aiohttp.ClientSession() as session, session.get(f"{running.url}/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    return [sample for family in families for sample in family.samples]


async def count(running: SignalingProcess, name: str, code: str) -> float:
    """Read a counter."""
    return sum(
        sample.value
        for sample in await samples(running)
        if sample.name == f"{name}_total" and sample.labels["code"] == code
    )


async def gauge(running: SignalingProcess, name: str) -> float:
    """Read a gauge."""
    [value] = [sample.value for sample in await samples(running) if sample.name == name]
    return value


class Bystander(threading.Thread):
    """A client that announces all the time, in a thread, so that it does not wait for attackers."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.round_trips: list[float] = []
        self.stop = threading.Event()
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=TIMEOUT_S)
        token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())
        self._exchange(handshake(f"/ws?token={token}"), b"\r\n\r\n")

    def run(self) -> None:
        request = message(action="announce", info_hash=LIVE, peer_id="b" * 20, left=1)
        with self._socket:
            while not self.stop.wait(INTERVAL_S):
                began = time.monotonic()
                self._exchange(request, b'"incomplete":')
                self.round_trips.append(time.monotonic() - began)

    def _exchange(self, request: bytes, answer: bytes) -> None:
        self._socket.sendall(request)
        received = b""
        while answer not in received:
            data = self._socket.recv(65_536)
            assert data, "the bystander's socket was closed"
            received += data


def quantile(times_s: list[float], fraction: float) -> float:
    """Return a quantile of the times."""
    return sorted(times_s)[int(fraction * (len(times_s) - 1))]


@asynccontextmanager
async def bystander(running: SignalingProcess, attack: str) -> AsyncIterator[None]:
    """Let a bystander announce all the time, and record its round trips."""
    client = Bystander(running.url)
    before_kb = memory_kb(running.process.pid)
    client.start()
    await asyncio.sleep(QUIET_S)
    quiet_s = quantile(client.round_trips, 0.95)
    client.round_trips.clear()
    try:
        yield
    except BaseException:
        client.stop.set()
        raise
    growth_kb = memory_kb(running.process.pid) - before_kb
    await asyncio.sleep(2 * INTERVAL_S)
    client.stop.set()
    await asyncio.to_thread(client.join, TIMEOUT_S)
    slow_s, p99_s = (quantile(client.round_trips, q) for q in (0.95, 0.99))
    print(  # noqa: T201
        f"\n{attack}: a bystander's {len(client.round_trips)} announces took"
        f" {1000 * slow_s:.1f} ms (p95; p99 {1000 * p99_s:.1f}; before {1000 * quiet_s:.1f} ms),"
        f" signaling grew by {growth_kb / 1024:.1f} MB"
    )
    assert slow_s < MAX_DELAY_S + quiet_s


async def test_two_thousand_unfinished_heads(running: SignalingProcess) -> None:
    before_kb = memory_kb(running.process.pid)
    async with bystander(running, "2,000 half request heads"):
        sockets: list[RawSocket] = []
        for _ in range(20):
            sockets = await asyncio.gather(*(RawSocket.open(running.url) for _ in range(100)))
            for half in sockets:
                half.write(handshake("/ws", "X: " + "x" * 1_000)[:-4])
            await asyncio.sleep(0.02)
        for _ in range(100):  # and the last one sends more
            sockets[-1].write(b"x")
            await asyncio.sleep(0)
        assert await count(running, "shoal_handshakes_refused", "too_many_waiting") >= 400
    assert memory_kb(running.process.pid) - before_kb < 32_000


async def test_a_flood_of_connections(running: SignalingProcess) -> None:
    """Of the handshakes from one address, only 200 are accepted at a time."""
    refusals = 0

    async def connect(number: int) -> None:
        nonlocal refusals
        attacker = await RawSocket.open(running.url)
        answer = await attacker.answer(handshake(("/ws", "/ws/room")[number % 2], ATTACKER))
        assert answer.status in (101, 429)
        refusals += answer.status == 429

    before_kb = memory_kb(running.process.pid)
    async with bystander(running, "2,000 handshakes of one address"):
        for start in range(0, 2_000, 50):
            await asyncio.gather(*(connect(number) for number in range(start, start + 50)))
        assert refusals == 1_800
        counted = await count(running, "shoal_handshakes_refused", "too_many_sockets")
        assert counted == refusals
    assert memory_kb(running.process.pid) - before_kb < 16_000


async def test_oversized_frames(running: SignalingProcess) -> None:
    big = b"\x82\xff" + (2**40).to_bytes(8, "big") + b"abcd" + b"x" * 500_000

    async def attack() -> None:
        attacker = await RawSocket.websocket(running.url, "/ws", ATTACKER)
        attacker.write(big)
        assert await attacker.close_code() in (1009, None)  # the reset may come first
        attacker.writer.transport.abort()

    before_kb = memory_kb(running.process.pid)
    async with bystander(running, "400 frames of a terabyte, of which 500 KB are sent"):
        for _ in range(40):
            await asyncio.gather(*(attack() for _ in range(10)))
        async with asyncio.timeout(5):  # they are disconnected a moment after the close frame
            while await count(running, "shoal_signaling_sockets_cut", "message_size") < 400:  # noqa: ASYNC110
                await asyncio.sleep(INTERVAL_S)
    assert memory_kb(running.process.pid) - before_kb < 32_000


async def test_ten_thousand_info_hashes_of_one_address(running: SignalingProcess) -> None:
    """On twenty sockets with valid tokens: each announce is refused and counted."""
    token = issue_join_token(JOIN_SECRET, "127.0.0.1", time.time())

    async def announce(attacker: RawSocket, first: int) -> int:
        for number in range(first, first + 500):
            fields = {"info_hash": f"{number:020d}", "peer_id": "a" * 20, "left": 1}
            attacker.write(message(action="announce", **fields))
        refused = 0
        while True:
            opcode, payload = await attacker.frame()
            if opcode == CLOSE:
                return refused
            assert b'"failure reason":"unknown_torrent: ' in payload
            refused += 1
            if refused == 500:
                return refused

    before_kb = memory_kb(running.process.pid)
    async with bystander(running, "10,000 info_hashes of one address"):
        # connect all of them before the first one's messages exhaust the limit of the address
        attackers = [
            await RawSocket.websocket(running.url, f"/ws?token={token}", ATTACKER)
            for _ in range(20)
        ]
        refused = sum(
            await asyncio.gather(*(announce(one, 500 * n) for n, one in enumerate(attackers)))
        )
        counted = await count(running, "shoal_tracker_refusals", "unknown_torrent")
        cut = await count(running, "shoal_signaling_sockets_cut", "too_many_messages")
        assert await gauge(running, "shoal_tracker_swarms") == 1
    # an address may send 5,000 messages at once and 500 a second; then its sockets are closed
    assert 4_900 < refused == counted
    assert cut > 0
    assert memory_kb(running.process.pid) - before_kb < 16_000


async def test_a_flood_of_messages_closes_the_flooder(running: SignalingProcess) -> None:
    async def flood() -> int | None:
        attacker = await RawSocket.open(running.url)
        answer = await attacker.answer(handshake("/ws", ATTACKER))
        if answer.status != 101:
            return answer.status
        attacker.write(message(action="scrape") * 2_000)
        return await attacker.close_code()

    async with bystander(running, "20 sockets that send 2,000 messages at once"):
        ends = await asyncio.gather(*(flood() for _ in range(20)))
        assert set(ends) <= {1008, 429}
        cut = await count(running, "shoal_signaling_sockets_cut", "too_many_messages")
        assert cut == ends.count(1008) >= 10


async def test_pings_whose_answers_are_not_read(running: SignalingProcess) -> None:
    before_kb = memory_kb(running.process.pid)
    async with bystander(running, "20 sockets that ping and never read"):
        deaf = [await RawSocket.websocket(running.url, "/ws", ATTACKER) for _ in range(20)]
        for attacker in deaf:
            attacker.write(frame(b"x" * 125, 9) * 5_000)
        await asyncio.sleep(1)
        assert await count(running, "shoal_signaling_sockets_cut", "too_many_messages") == 20
    assert memory_kb(running.process.pid) - before_kb < 16_000
