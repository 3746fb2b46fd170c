"""A SOCKS proxy that connects from a given address, so that viewers differ in address."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

NO_AUTHENTICATION = b"\x05\x00"
CONNECT = 1
IPV4, NAME = 1, 3
SUCCEEDED = b"\x05\x00\x00\x01" + bytes(6)
READ_BYTES = 64 * 1024


@contextmanager
def leaving_from(address: str) -> Iterator[str]:
    """Run a proxy in a thread; yield its URL. `address` is any of 127.0.0.0/8."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(lambda r, w: _serve(r, w, address), "127.0.0.1", 0)

    async def end() -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield f"socks5://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> None:
    """Serve one client (RFC 1928, sections 3 to 6)."""
    outgoing: asyncio.StreamWriter | None = None
    try:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(NO_AUTHENTICATION)
        _, command, _, kind = await reader.readexactly(4)
        assert command == CONNECT
        assert kind in (IPV4, NAME)
        if kind == IPV4:
            host = socket.inet_ntoa(await reader.readexactly(4))
        else:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        port = int.from_bytes(await reader.readexactly(2))
        incoming, outgoing = await asyncio.open_connection(host, port, local_addr=(address, 0))
        writer.write(SUCCEEDED)
        await asyncio.gather(_forward(reader, outgoing), _forward(incoming, writer))
    except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        pass  # one side closed: `finally` closes the other; nobody awaits this task
    finally:
        for end in (writer, outgoing):
            if end is not None:
                end.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    with suppress(OSError):
        writer.write_eof()
