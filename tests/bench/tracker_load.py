"""Thousands of WebTorrent clients in one process, to load a tracker.

Each announces with five offers and answers every offer that it receives. Clients must cost less
than the server, or the results would describe the load. So frames are made from byte templates, and
messages are parsed only as far as an answer needs it.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

OFFERS = 5
"""in each announce, as webtorrent and p2p-media-loader send"""
AT_ONCE = 100
"""clients that connect or announce at a time"""
HANDSHAKE_TIMEOUT_S = 60.0
ROUND_TIMEOUT_S = 60.0
CLIENTS_PER_SOURCE = 5_000
"""one loopback address has 28,000 ports on Linux"""
CLIENTS_PER_NETWORK = 4
COUNTRIES = ("DE", "FR", "NL", "PL", "US")
TICK_S = 0.001
"""interval of a paced load"""
MAX_PER_TICK = 16
"""announces; those that a pause of this process delayed are left out, because real clients would
not send them all at once"""

SDP = "\r\n".join(
    [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
        "m=application 52172 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 203.0.113.17",
        *(
            f"a=candidate:{3_160_000_000 + n} 1 udp {2_113_937_151 - n} 192.0.2.{n} {52_000 + n}"
            " typ host generation 0 network-cost 999"
            for n in range(5)
        ),
        "a=ice-ufrag:4ZcD",
        "a=ice-pwd:2/1muCWoOi3uLifh0NuRHlYb",
        "a=ice-options:trickle",
        f"a=fingerprint:sha-256 {':'.join(f'{n:02X}' for n in range(32))}",
        "a=setup:actpass",
        "a=mid:0",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "",
    ]
)
"""Chromium's offer of a data channel, on a machine with five addresses; 947 bytes"""


class _Message(msgspec.Struct):
    """The fields of a tracker's message that a client reads."""

    peer_id: str = ""
    offer_id: str = ""
    offer: msgspec.Raw = msgspec.Raw()
    answer: msgspec.Raw = msgspec.Raw()
    failure: str | None = msgspec.field(default=None, name="failure reason")


_decode = msgspec.json.Decoder(_Message).decode


@dataclass
class Received:
    """The messages that clients have received, and when they were counted."""

    announced: int = 0
    offers: int = 0
    answers: int = 0
    at_s: float = 0.0

    @property
    def messages(self) -> int:
        """The number of all messages."""
        return self.announced + self.offers + self.answers

    def since(self, before: "Received") -> "Received":
        """Return the difference to an earlier count; `at_s` is then the time in between."""
        return Received(
            self.announced - before.announced,
            self.offers - before.offers,
            self.answers - before.answers,
            self.at_s - before.at_s,
        )


class Crowd:
    """Many clients of one tracker."""

    def __init__(self) -> None:
        self.clients: list[_Client] = []
        self.announced = self.offers = self.answers = 0
        self.announce_again = False
        """whether clients announce again when they receive a response"""
        self.delays_ns: list[int] | None = None
        """from each offer's sending to its arrival; None: not measured"""
        self.failures: list[str] = []
        """refusals and closed sockets, which make the results worthless"""
        self.connected = True

    def received(self) -> Received:
        """Return the messages received so far."""
        return Received(self.announced, self.offers, self.answers, time.perf_counter())

    def check(self) -> None:
        """Raise RuntimeError if the tracker refused a message or closed a socket."""
        if self.failures:
            raise RuntimeError(
                f"{len(self.failures)} refusals or closed sockets, first: {self.failures[0]}"
            )

    async def announce_always(self) -> None:
        """Let clients announce, and again after each response; return when each has had one."""
        self.announce_again = True
        for client in self.clients:
            client.announce()
        async with asyncio.timeout(ROUND_TIMEOUT_S):
            while self.announced < len(self.clients):
                await asyncio.sleep(0.05)
                self.check()

    async def announce_once(self) -> None:
        """Let each client announce once, a few at a time, and wait for all messages."""
        for start in range(0, len(self.clients), AT_ONCE):
            for client in self.clients[start : start + AT_ONCE]:
                client.announce()
            await self._quiet(0.02)
        await self._quiet(0.5)

    async def paced(self, announces_per_s: float, seconds: float) -> tuple[list[float], int]:
        """Announce at this rate, without waiting for responses.

        Return each offer's delay, milliseconds, and the number of announces.
        """
        delays_ns = self.delays_ns = []
        turns = itertools.cycle(random.sample(self.clients, len(self.clients)))
        started_at = time.perf_counter()
        sent = left_out = 0
        while (elapsed_s := time.perf_counter() - started_at) < seconds:
            due = int(elapsed_s * announces_per_s) - left_out - sent
            left_out += max(0, due - MAX_PER_TICK)
            for client in itertools.islice(turns, min(due, MAX_PER_TICK)):
                client.announce()
                sent += 1
            await asyncio.sleep(TICK_S)
        await self._quiet(0.5)
        self.delays_ns = None
        return [delay / 1e6 for delay in delays_ns], sent

    async def _quiet(self, for_s: float) -> None:
        """Wait until no message has arrived for this time."""
        before = -1
        while self.received().messages != before:
            before = self.received().messages
            await asyncio.sleep(for_s)


class _Client(WSListener):
    """One peer of one swarm, with its own socket."""

    def __init__(self, crowd: Crowd, number: int, announce: bytes, answer: bytes) -> None:
        self._crowd = crowd
        self._peer_id = b"-PM0203-%012d" % number
        self._announce = announce
        self._answer = answer
        self._transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self._crowd.failures.append(f"closed: {frame.get_close_code()}")
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            self._receive(_decode(frame.get_payload_as_memoryview()))

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        if self._crowd.connected:
            self._crowd.failures.append("disconnected")

    def announce(self) -> None:
        """Announce; the id of each offer is its time of sending."""
        now = time.perf_counter_ns()
        ids = range(now, now + OFFERS)
        self._transport.send(WSMsgType.TEXT, self._announce % (self._peer_id, *ids))

    def disconnect(self) -> None:
        """Disconnect without a close frame."""
        self._transport.disconnect(graceful=False)

    def _receive(self, message: _Message) -> None:
        crowd = self._crowd
        if message.offer:
            crowd.offers += 1
            if crowd.delays_ns is not None:
                crowd.delays_ns.append(time.perf_counter_ns() - int(message.offer_id))
            ids = (self._peer_id, message.peer_id.encode(), message.offer_id.encode())
            self._transport.send(WSMsgType.TEXT, self._answer % ids)
        elif message.answer:
            crowd.answers += 1
        elif message.failure is not None:
            crowd.failures.append(message.failure)
        else:
            crowd.announced += 1
            if crowd.announce_again:
                self.announce()


@asynccontextmanager
async def crowd(url: str, count: int, info_hashes: Sequence[str]) -> AsyncGenerator[Crowd]:
    """Connect `count` clients, spread over the swarms; disconnect them at the end."""
    peers = Crowd()
    frames = [(_announce_frame(info_hash), _answer_frame(info_hash)) for info_hash in info_hashes]
    slots = asyncio.Semaphore(AT_ONCE)

    async def connect(number: int) -> None:
        client = _Client(peers, number, *frames[number % len(frames)])
        async with slots:
            _, listener = await ws_connect(
                lambda: client,
                url,
                extra_headers=from_address(number),
                websocket_handshake_timeout=HANDSHAKE_TIMEOUT_S,
                local_addr=source(number),
            )
        if listener is None:  # as picows reports this
            raise ConnectionError(f"{url}: the tracker closed the connection during the handshake")
        peers.clients.append(client)

    await asyncio.gather(*(connect(number) for number in range(count)))
    try:
        yield peers
    finally:
        peers.connected = False
        for client in peers.clients:
            client.disconnect()
        await asyncio.sleep(0)  # the sockets close on the loop's next turn


def from_address(number: int) -> dict[str, str]:
    """Return headers as from Cloudflare's tunnel: an address per client, four to a network."""
    network, host = divmod(number, CLIENTS_PER_NETWORK)
    return {
        "CF-Connecting-IP": f"10.{network >> 8}.{network & 255}.{host + 1}",
        "CF-IPCountry": COUNTRIES[network % len(COUNTRIES)],
    }


def source(number: int) -> tuple[str, int]:
    """Return the loopback address from which this client connects; any port."""
    return f"127.0.0.{2 + number // CLIENTS_PER_SOURCE}", 0


def _announce_frame(info_hash: str) -> bytes:
    """Return a template for the peer id and the numeric ids of the offers.

    Each announce has the event `started`, because our tracker forwards offers only to and from
    clients that lack partners, and a client that has just started has none. Other trackers treat it
    as an update.
    """
    offer = b'{"offer":{"type":"offer","sdp":%b},"offer_id":"%%020d"}' % _in_template(SDP)
    return (
        b'{"action":"announce","info_hash":%b,"peer_id":"%%b","event":"started"'
        b',"numwant":%d,"uploaded":0,"downloaded":0,"left":1,"offers":[%b]}'
        % (_in_template(info_hash), OFFERS, b",".join([offer] * OFFERS))
    )


def _answer_frame(info_hash: str) -> bytes:
    """Return a template for the peer id, the other peer's id, and the offer's id."""
    return (
        b'{"action":"announce","info_hash":%b,"peer_id":"%%b","to_peer_id":"%%b","offer_id":"%%b"'
        b',"answer":{"type":"answer","sdp":%b}}' % (_in_template(info_hash), _in_template(SDP))
    )


def _in_template(text: str) -> bytes:
    return msgspec.json.encode(text).replace(b"%", b"%%")
