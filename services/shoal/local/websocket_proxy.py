"""Connects two WebSockets: forwards messages, pings and the close of each to the other."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web


@dataclass(frozen=True)
class CloseFrame:
    """A close frame."""

    code: int
    reason: str


AnyWebSocket = web.WebSocketResponse | ClientWebSocketResponse


async def proxy_messages(
    client: web.WebSocketResponse, upstream: ClientWebSocketResponse, abort: Callable[[], None]
) -> int:
    """Forward messages until one side ends; return the payload bytes sent to the client.

    A close frame is forwarded with its code and reason. If the upstream disconnects without one,
    `abort` disconnects the client, too.
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
    closing = next((end for end in ends if isinstance(end, CloseFrame)), None)
    if closing is not None:
        code, reason = closing.code, closing.reason.encode()
        await asyncio.gather(
            client.close(code=code, message=reason), upstream.close(code=code, message=reason)
        )
    elif not isinstance(ends[0], BaseException):  # the upstream disconnected
        abort()
    else:
        upstream._response.close()  # pyright: ignore[reportPrivateUsage] - disconnects without a frame
    return sent


async def _copy(
    source: AnyWebSocket, target: AnyWebSocket, count: Callable[[int], None]
) -> CloseFrame | None:
    """Copy until `source` ends; return its close frame, or None if it disconnected."""
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
                return CloseFrame(int(message.data or 0) or WSCloseCode.OK, message.extra or "")
            else:
                return None
    except (aiohttp.ClientError, OSError):
        return None
