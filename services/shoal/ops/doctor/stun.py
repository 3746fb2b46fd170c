"""Asks a STUN server for our address (RFC 8489)."""

import asyncio
import re

from aioice import stun

STUN_PORT = 3478
TRY_S = 0.7
TRIES = 3
_URL = re.compile(r"stun:(\[[^\]]+\]|[^:?]+)(?::(\d+))?")


def address_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a `stun:` URL (RFC 7064); None for others, as TURN's."""
    found = _URL.fullmatch(url)
    return None if found is None else (found[1].strip("[]"), int(found[2] or STUN_PORT))


async def ask(host: str, port: int) -> str | None:
    """Return our address as the server sees it; None when no answer comes."""
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)

    class Asking(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
            try:
                answer = stun.parse_message(data)
            except ValueError:
                return
            if answer.transaction_id == request.transaction_id and not answered.done():
                answered.set_result(str(answer.attributes["XOR-MAPPED-ADDRESS"][0]))

    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Asking, remote_addr=(host, port)
        )
    except OSError:
        return None
    try:
        for _ in range(TRIES):
            transport.sendto(bytes(request))
            done, _pending = await asyncio.wait({answered}, timeout=TRY_S)
            if done:
                return answered.result()
        return None
    finally:
        transport.close()
