"""Stand-in for Cloudflare's edge: viewers on one port, the tunnel's own connections on another.

`python edge.py VIEWERS_PORT TUNNEL_HOST:PORT`. It also relays the host's connections to the store,
which listens on loopback: `… STORE_PORT RELAY_HOST:PORT`.
"""

import asyncio
import sys
from contextlib import suppress

IDLE: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await IDLE.put((reader, writer))


async def viewer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        async with asyncio.timeout(10):
            inner_reader, inner_writer = await IDLE.get()
            while inner_reader.at_eof():  # left over from a tunnel that has ended
                inner_reader, inner_writer = await IDLE.get()
    except TimeoutError:
        writer.write(b"HTTP/1.1 530 no tunnel\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        return
    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def main(viewers: int, tunnels: str, store: int, relay: str) -> None:
    async def relay_store(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", store)
        except OSError:
            writer.close()
            return
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    await asyncio.start_server(viewer, "127.0.0.1", viewers)
    for address, handler in ((tunnels, tunnel), (relay, relay_store)):
        host, _, port = address.rpartition(":")
        await asyncio.start_server(handler, host, int(port))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
