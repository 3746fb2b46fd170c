"""Asks a STUN server which address it sees for this machine (RFC 8489)."""

import asyncio
import re

from aioice import stun

STUN_PORT = 3478
RETRY_AFTER_S = 0.7
MAX_ATTEMPTS = 3
_URL = re.compile(r"stun:(\[[^\]]+\]|[^:?]+)(?::(\d+))?")


def address_of(url: str) -> tuple[str, int] | None:
    """Return host and port of a `stun:` URL (RFC 7064); None for others, such as TURN."""
    found = _URL.fullmatch(url)
    return None if found is None else (found[1].strip("[]"), int(found[2] or STUN_PORT))


async def query(host: str, port: int) -> str | None:
    """Return the address that the server sees for this machine; None without a response."""
    mapped: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)

    class Client(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
            try:
                response = stun.parse_message(data)
            except ValueError:
                return
            if response.transaction_id == request.transaction_id and not mapped.done():
                mapped.set_result(str(response.attributes["XOR-MAPPED-ADDRESS"][0]))

    try:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            Client, remote_addr=(host, port)
        )
    except OSError:
        return None
    try:
        for _ in range(MAX_ATTEMPTS):
            transport.sendto(bytes(request))
            done, _pending = await asyncio.wait({mapped}, timeout=RETRY_AFTER_S)
            if done:
                return mapped.result()
        return None
    finally:
        transport.close()
