"""Two headless viewers meet in a room of the station, and one sends the other a piece.

Both run on this machine, with no NAT between them. What this proves: the station brings viewers
together, and a piece that one of them has reaches the other over WebRTC with the right hash.
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

from shoal.ops.doctor.frames import PieceAssembler, encode_piece, encode_request
from shoal.ops.doctor.probe_context import CannotCheckError, ProbeContext
from shoal.ops.doctor.webrtc_peer import WebRtcPeer, joined_peer
from shoal.segments import Descriptor

LABEL = "shoal"
OPEN_TIMEOUT_S = 8.0
PIECE_TIMEOUT_S = 4.0


class PairError(Exception):
    """The two did not get as far as they should; the message says what did not happen."""


@dataclass(frozen=True)
class Transfer:
    """A piece that went from one peer to the other."""

    bytes: int
    seconds: float
    """from the first description to the last byte"""


def has_interface() -> bool:
    """Return whether this machine has an address at which the two can reach each other."""
    return bool(get_host_addresses(use_ipv4=True, use_ipv6=True))


@asynccontextmanager
async def joined_pair(context: ProbeContext) -> AsyncGenerator[tuple[WebRtcPeer, WebRtcPeer]]:
    """Yield two peers of one room that have seen each other.

    Raises CannotCheckError when signaling puts them into different rooms.
    """
    token = (await context.config()).join_token
    async with joined_peer(context, token) as first, joined_peer(context, token) as second:
        if first.room != second.room:
            raise CannotCheckError(
                "the two peers were put into different rooms because the first room is full"
            )
        await asyncio.gather(first.wait_for_member(second.id), second.wait_for_member(first.id))
        yield first, second


async def exchange_signals(first: WebRtcPeer, second: WebRtcPeer) -> None:
    """Send a signal in each direction; raise NoAnswerError if one is lost, PairError if changed."""
    for sender, receiver in ((first, second), (second, first)):
        await sender.send_signal(receiver.id, {"doctor": sender.id})
        if await receiver.receive_signal(sender.id) != {"doctor": sender.id}:
            raise PairError("a signal arrived, but not as it was sent")


async def transfer_piece(
    sender: WebRtcPeer, receiver: WebRtcPeer, descriptor: Descriptor, first_piece: bytes
) -> Transfer:
    """Send the first piece of a segment; raise PairError if it does not arrive intact."""
    started_s = time.monotonic()
    async with _connection() as sending, _connection() as receiving:

        @sending.on("datachannel")
        def _(channel: RTCDataChannel) -> None:
            _serve(channel, descriptor, first_piece)

        channel = receiving.createDataChannel(LABEL, ordered=False)
        opened = _when_open(channel)
        arrived = _when_piece_arrives(channel, descriptor)
        await _negotiate(receiving, receiver, sending, sender)
        async with _time_limit(
            OPEN_TIMEOUT_S, "the two peers exchanged descriptions, but no data channel opened"
        ):
            await opened
        channel.send(encode_request(descriptor.variant, descriptor.sequence, 0))
        async with _time_limit(
            PIECE_TIMEOUT_S, "a data channel opened, but the piece did not arrive"
        ):
            piece = await arrived
    if base64.b64encode(hashlib.sha256(piece).digest()).decode() != descriptor.pieces[0]:
        raise PairError("a piece arrived, but its hash is not the published one")
    return Transfer(len(piece), time.monotonic() - started_s)


async def _negotiate(
    offering: RTCPeerConnection,
    offerer: WebRtcPeer,
    answering: RTCPeerConnection,
    answerer: WebRtcPeer,
) -> None:
    """Exchange offer and answer through the room."""
    await offering.setLocalDescription(await offering.createOffer())
    await offerer.send_signal(answerer.id, _encode_description(offering))
    await answering.setRemoteDescription(
        _decode_description(await answerer.receive_signal(offerer.id))
    )
    await answering.setLocalDescription(await answering.createAnswer())
    await answerer.send_signal(offerer.id, _encode_description(answering))
    await offering.setRemoteDescription(
        _decode_description(await offerer.receive_signal(answerer.id))
    )


def _encode_description(connection: RTCPeerConnection) -> dict[str, dict[str, str]]:
    description = connection.localDescription
    return {"description": {"type": description.type, "sdp": description.sdp}}


def _decode_description(data: dict[str, dict[str, str]]) -> RTCSessionDescription:
    return RTCSessionDescription(**data["description"])


def _serve(channel: RTCDataChannel, descriptor: Descriptor, piece: bytes) -> None:
    """Send the piece to whoever requests it."""
    request = encode_request(descriptor.variant, descriptor.sequence, 0)

    @channel.on("message")
    def _(message: bytes) -> None:
        if message == request:
            for frame in encode_piece(descriptor.variant, descriptor.sequence, 0, piece):
                channel.send(frame)


def _when_open(channel: RTCDataChannel) -> asyncio.Future[None]:
    opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @channel.on("open")
    def _() -> None:
        if not opened.done():
            opened.set_result(None)

    return opened


def _when_piece_arrives(channel: RTCDataChannel, descriptor: Descriptor) -> asyncio.Future[bytes]:
    arrived: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    assembler = PieceAssembler(descriptor.variant, descriptor.sequence, 0)

    @channel.on("message")
    def _(message: bytes) -> None:
        piece = assembler.add(message)
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
async def _time_limit(limit_s: float, failure: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise PairError(f"{failure} within {limit_s:g} s") from None
