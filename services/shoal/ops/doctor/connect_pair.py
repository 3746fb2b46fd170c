"""Two headless viewers meet in a room of the station, and one gives the other a piece.

Both are on this machine, so that no NAT is between them: what is proved is that the station brings
viewers together, and that a piece which one has reaches the other over WebRTC and has its hash.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aioice.ice import get_host_addresses
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from shoal.ops.doctor import frames
from shoal.ops.doctor.check import NotKnownError
from shoal.ops.doctor.probe_context import Visit
from shoal.ops.doctor.webrtc_peer import Member, member
from shoal.segments import Descriptor

LABEL = "shoal"
OPEN_TIMEOUT_S = 8.0
PIECE_TIMEOUT_S = 4.0


class ExchangeError(Exception):
    """How far the two came; the message says what did not happen."""


@dataclass(frozen=True)
class Exchange:
    """A piece that moved."""

    bytes: int
    seconds: float
    """from the first description to the last byte"""


def has_interface() -> bool:
    """Say whether this machine has an address by which the two can reach each other."""
    return bool(get_host_addresses(use_ipv4=True, use_ipv6=True))


@asynccontextmanager
async def couple(visit: Visit) -> AsyncGenerator[tuple[Member, Member]]:
    """Join twice, and yield the two, who have seen each other; NotKnownError when kept apart."""
    token = (await visit.config()).join_token
    async with member(visit, token) as first, member(visit, token) as second:
        if first.room != second.room:
            raise NotKnownError("the two were given different rooms, as the fullest one is full")
        await asyncio.gather(first.met(second.id), second.met(first.id))
        yield first, second


async def pass_signals(first: Member, second: Member) -> None:
    """Have a word passed on in both directions; raises NoAnswerError when it gets lost."""
    for sender, receiver in ((first, second), (second, first)):
        await sender.signal(receiver.id, {"doctor": sender.id})
        if await receiver.signalled(sender.id) != {"doctor": sender.id}:
            raise ExchangeError("a signal came, but not as it was sent")


async def exchange(
    giver: Member, taker: Member, descriptor: Descriptor, first_piece: bytes
) -> Exchange:
    """Move the first piece of a segment; raises ExchangeError when it does not come."""
    began_s = time.monotonic()
    async with _connection() as giving, _connection() as taking:

        @giving.on("datachannel")
        def _(channel: RTCDataChannel) -> None:
            _serve(channel, descriptor, first_piece)

        channel = taking.createDataChannel(LABEL, ordered=False)
        opened = _opening(channel)
        arrived = _arrival(channel, descriptor)
        await _introduce(taking, taker, giving, giver)
        async with _within(OPEN_TIMEOUT_S, "the two exchanged descriptions, but no channel opened"):
            await opened
        channel.send(frames.request(descriptor.variant, descriptor.sequence, 0))
        async with _within(PIECE_TIMEOUT_S, "a channel opened, but the piece did not come"):
            piece = await arrived
    if base64.b64encode(hashlib.sha256(piece).digest()).decode() != descriptor.pieces[0]:
        raise ExchangeError("a piece came, but its hash is not the published one")
    return Exchange(len(piece), time.monotonic() - began_s)


async def _introduce(
    caller: RTCPeerConnection, calling: Member, callee: RTCPeerConnection, called: Member
) -> None:
    """Pass offer and answer through the room."""
    await caller.setLocalDescription(await caller.createOffer())
    await calling.signal(called.id, _description(caller))
    await callee.setRemoteDescription(_read(await called.signalled(calling.id)))
    await callee.setLocalDescription(await callee.createAnswer())
    await called.signal(calling.id, _description(callee))
    await caller.setRemoteDescription(_read(await calling.signalled(called.id)))


def _description(connection: RTCPeerConnection) -> dict[str, dict[str, str]]:
    said = connection.localDescription
    return {"description": {"type": said.type, "sdp": said.sdp}}


def _read(data: dict[str, dict[str, str]]) -> RTCSessionDescription:
    return RTCSessionDescription(**data["description"])


def _serve(channel: RTCDataChannel, descriptor: Descriptor, piece: bytes) -> None:
    """Send the piece to who asks for it."""
    wanted = frames.request(descriptor.variant, descriptor.sequence, 0)

    @channel.on("message")
    def _(message: bytes) -> None:
        if message == wanted:
            for frame in frames.cut(descriptor.variant, descriptor.sequence, 0, piece):
                channel.send(frame)


def _opening(channel: RTCDataChannel) -> asyncio.Future[None]:
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @channel.on("open")
    def _() -> None:
        if not opened.done():
            opened.set_result(None)

    return opened


def _arrival(channel: RTCDataChannel, descriptor: Descriptor) -> asyncio.Future[bytes]:
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    assembly = frames.Assembly(descriptor.variant, descriptor.sequence, 0)

    @channel.on("message")
    def _(message: bytes) -> None:
        piece = assembly.add(message)
        if piece is not None and not arrived.done():
            arrived.set_result(piece)

    return arrived


@asynccontextmanager
async def _connection() -> AsyncGenerator[RTCPeerConnection]:
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _within(limit_s: float, otherwise: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise ExchangeError(f"{otherwise} within {limit_s:g} s") from None
