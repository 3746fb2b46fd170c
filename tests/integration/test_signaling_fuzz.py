"""Arbitrary input to a running service: it stays up, logs no exception, and keeps little."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.integration.signaling_garbage import CUTS, DEEP, LIVE, SENT
from tests.integration.signaling_station import TOKEN, Signaling, running_signaling
from tests.support.raw_websocket import (
    CLOSE,
    PING,
    RawSocket,
    close_all,
    frame,
    handshake,
    message,
)
from tests.support.signaling import BROADCASTER_TOKEN, signaling_process

PATHS = ("/ws", "/ws/room", "/broadcaster")
BEARER = f"Authorization: Bearer {TOKEN}"
EXAMPLES = 60
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]

# --- the service and its bystanders ---


class Errors(logging.Handler):
    """Collects log records that are errors or have an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno >= logging.ERROR:
            self.records.append(self.format(record))


class Bystanders:
    """A well-behaved client on each path."""

    def __init__(self, service: Signaling) -> None:
        self.service = service

    async def connect(self) -> None:
        token = self.service.token()
        self.tracker = await RawSocket.websocket(self.service.url, f"/ws?token={token}")
        self.viewer = await RawSocket.websocket(self.service.url, "/ws/room")
        self.viewer.write(message(type="join", plan_version=PLAN_VERSION, variant=0, token=token))
        assert (await self.viewer.next())["type"] == "stream"

    async def assert_served(self) -> None:
        """Assert that each of them gets its answer."""
        self.tracker.write(
            message(action="announce", info_hash=LIVE, peer_id="bystander's peer id ", left=1)
        )
        while "interval" not in await self.tracker.next():  # skip offers of other peers
            pass
        self.viewer.write(frame(b"still there?", PING))
        while (await self.viewer.frame()) != (10, b"still there?"):
            pass
        broadcaster = await RawSocket.websocket(self.service.url, "/broadcaster", BEARER)
        assert (await broadcaster.next())["type"] == "resume"
        broadcaster.writer.close()
        assert (await self.service.get("/health"))["status"] == "ok"


class Fuzzed:
    """A service, and an event loop on which the examples run one after another."""

    def __init__(self, runner: asyncio.Runner, service: Signaling, errors: Errors) -> None:
        self._runner = runner
        self.service = service
        self.errors = errors
        self.bystanders = Bystanders(service)

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._runner.run(coroutine)


@pytest.fixture
def fuzzed() -> Any:
    errors = Errors()
    logging.getLogger().addHandler(errors)
    with asyncio.Runner() as runner:
        station = running_signaling(max_sockets_per_address=1_000, max_messages_per_s=10_000)
        service = runner.run(station.__aenter__())
        fuzzed = Fuzzed(runner, service, errors)
        runner.run(fuzzed.bystanders.connect())
        yield fuzzed
        runner.run(station.__aexit__(None, None, None))
        gc.collect()
    logging.getLogger().removeHandler(errors)
    assert not errors.records, errors.records[0]


async def send(url: str, path: str, sent: bytes, cuts: list[int], bearer: str = TOKEN) -> None:
    """Send bytes in parts after a handshake, read answers, and disconnect in one of two ways."""
    socket = await RawSocket.open(url)
    data = handshake(path, f"Authorization: Bearer {bearer}") + sent
    try:
        for size in cuts:
            socket.write(data[:size])
            await socket.writer.drain()
            await asyncio.sleep(0)
            data = data[size:]
        socket.write(data)
        socket.write(frame(b"\x03\xe8", CLOSE))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await socket.reader.read()
    except ConnectionError:
        pass
    finally:
        if len(sent) % 2:
            socket.writer.transport.abort()
        else:
            socket.writer.close()


@pytest.mark.parametrize("path", PATHS)
def test_arbitrary_frames_do_no_harm(fuzzed: Fuzzed, path: str) -> None:
    token = fuzzed.service.token()
    target = f"{path}?token={token}" if path == "/ws" else path
    join = message(type="join", plan_version=PLAN_VERSION, variant=0, token=token)

    @settings(max_examples=EXAMPLES, suppress_health_check=SUPPRESSED)
    @given(SENT, CUTS, st.booleans())
    def check(parts: list[bytes], cuts: list[int], joins: bool) -> None:
        before = join if joins else b""

        async def example() -> None:
            await send(fuzzed.service.url, target, before + b"".join(parts), cuts)
            await fuzzed.bystanders.assert_served()

        fuzzed.run(example())
        assert not fuzzed.errors.records, fuzzed.errors.records[0]

    check()
    fuzzed.run(wait_all_gone(fuzzed.service))


def test_arbitrary_heads_do_no_harm(fuzzed: Fuzzed) -> None:
    lines = st.one_of(
        st.sampled_from(
            [
                b"Host: 127.0.0.1",
                b"Upgrade: websocket",
                b"Connection: Upgrade",
                b"Sec-WebSocket-Version: 13",
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                b"Content-Length: 3",
                b"Transfer-Encoding: chunked",
                b"Expect: 100-continue",
                b"",
                b" folded",
            ]
        ),
        st.builds(
            lambda name, text: name + b": " + text,
            st.sampled_from([b"Origin", b"CF-Connecting-IP", b"CF-IPCountry", b"Host", b"X", b""]),
            st.binary(max_size=30),
        ),
        st.binary(max_size=30),
    )
    firsts = st.sampled_from(
        [b"GET /ws HTTP/1.1", b"GET /ws?token=%ff&seed=\xff HTTP/1.1", b"GET /broadcaster HTTP/1.1"]
    ) | st.binary(max_size=30)

    @settings(max_examples=2 * EXAMPLES, suppress_health_check=SUPPRESSED)
    @given(firsts, st.lists(lines, max_size=8), st.binary(max_size=20))
    def check(first: bytes, lines: list[bytes], rest: bytes) -> None:
        async def example() -> None:
            socket = await RawSocket.open(fuzzed.service.url)
            socket.write(b"\r\n".join([first, *lines, b"", b""]) + rest)
            with contextlib.suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(0.05):
                    await socket.reader.read()
            socket.writer.close()

        fuzzed.run(example())
        assert not fuzzed.errors.records, fuzzed.errors.records[0]

    check()
    fuzzed.run(fuzzed.bystanders.assert_served())


async def wait_all_gone(service: Signaling) -> None:
    """Wait until only the bystanders are left; assert that only what they announced is kept."""
    async with asyncio.timeout(10):
        while len(service.websockets) > 2:  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.02)
    assert service.tracker.swarms.peers == 1
    assert len(service.tracker.swarms) == 1
    assert service.room_service.viewers == 1


# --- what is kept ---


def memory_kb(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4


async def test_memory_settles_after_hostile_input(tmp_path: Path) -> None:
    """Repeat the most expensive input: memory use stops growing."""
    worst = [
        *(frame(text.encode()) for text in DEEP),
        frame(b" " * 60_000, fin=False),
        b"\x81\xff" + (2**40).to_bytes(8, "big") + b"abcd" + b"x" * 200_000,
        frame(b"\xff" * 60_000),
        message(action="scrape", info_hash=[LIVE] * 1_500),
    ]
    sizes: list[int] = []
    with signaling_process(tmp_path, SHOAL_MAX_MESSAGES_PER_S="10000") as running:
        for _ in range(6):
            for sent in worst:
                await asyncio.gather(
                    *(
                        send(running.url, path, sent, [], BROADCASTER_TOKEN)
                        for path in PATHS
                        for _ in range(8)
                    )
                )
            await close_all()
            sizes.append(memory_kb(running.process.pid))
    print(f"\nmemory after each round of {len(worst) * 24} sockets: {sizes} KB")  # noqa: T201
    assert sizes[-1] - sizes[1] < 4_000
    assert "Traceback" not in (tmp_path / "signaling.log").read_text()
