"""Two WebSockets as one: messages, pings and the way they end pass from each to the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web


@dataclass(frozen=True)
class Closing:
    """A close frame."""

    code: int
    reason: str


Side = web.WebSocketResponse | ClientWebSocketResponse


async def carry(
    client: web.WebSocketResponse, upstream: ClientWebSocketResponse, hang_up: Callable[[], None]
) -> int:
    """Carry messages until one side ends; return the bytes of payload sent to the client.

    A close frame is passed on with its code and reason. When the upstream is lost without one,
    `hang_up` ends the client's connection likewise.
    """
    sent = 0

    def count(size: int) -> None:
        nonlocal sent
        sent += size

    down = asyncio.create_task(_copy(upstream, client, count))
    up = asyncio.create_task(_copy(client, upstream, lambda _size: None))
    try:
        await asyncio.wait((down, up), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (down, up):
            task.cancel()
        ends = await asyncio.gather(down, up, return_exceptions=True)
    closing = next((end for end in ends if isinstance(end, Closing)), None)
    if closing is not None:
        code, reason = closing.code, closing.reason.encode()
        await asyncio.gather(
            client.close(code=code, message=reason), upstream.close(code=code, message=reason)
        )
    elif not isinstance(ends[0], BaseException):  # the upstream vanished
        hang_up()
    else:
        upstream._response.close()  # pyright: ignore[reportPrivateUsage] - ends without a frame
    return sent


async def _copy(source: Side, target: Side, count: Callable[[int], None]) -> Closing | None:
    """Copy until `source` ends; return how it closed, None when it vanished."""
    try:
        while True:
            message = await source.receive()
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
                count(len(message.data.encode()))
            elif message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
                count(len(message.data))
            elif message.type is WSMsgType.PING:
                await target.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await target.pong(message.data)
            elif message.type is WSMsgType.CLOSE:
                # 0: a frame without a code, RFC 6455 7.1.5
                return Closing(int(message.data or 0) or WSCloseCode.OK, message.extra or "")
            else:
                return None
    except (aiohttp.ClientError, OSError):
        return None
