#!/opt/shoal/current/bin/python
"""Stand-in for cloudflared: connects to the stand-in for the edge, and serves its requests.

Like the real one, it reads its token from a file, opens no public port, sends READY=1 once it is
connected to the edge, and routes by Shoal's route table. It implements nothing of Cloudflare's
protocol. Its token is HOST:PORT of the edge.
"""

import argparse
import asyncio
from pathlib import Path

from shoal import systemd
from shoal.local.gateway import Gateway

IDLE_CONNECTIONS = 16
GATEWAY_PORT = 18080
UPSTREAMS = {
    "signaling": "http://localhost:8081",
    "broadcaster": "http://localhost:3000",
    "site": "http://localhost:8000",
    "owncast": "http://localhost:8080",
}


async def keep_connection(host: str, port: int, connected: asyncio.Event) -> None:
    """Keep one idle connection to the edge; when a viewer uses it, serve it and open another."""
    viewers: set[asyncio.Task[None]] = set()
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            connected.set()
            first = await reader.read(65536)
        except OSError:
            await asyncio.sleep(0.2)
            continue
        if not first:
            writer.close()
            await asyncio.sleep(0.2)
            continue
        viewer = asyncio.create_task(serve(first, reader, writer))
        viewers.add(viewer)
        viewer.add_done_callback(viewers.discard)


async def serve(first: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect a viewer to the gateway."""
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", GATEWAY_PORT)
    inner_writer.write(first)
    await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def main(edge: str, metrics: str) -> None:
    host, _, port = edge.rpartition(":")
    gateway = Gateway(UPSTREAMS, GATEWAY_PORT, int(metrics.rpartition(":")[2]))
    await gateway.start()
    connected = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(IDLE_CONNECTIONS):
            tasks.create_task(keep_connection(host, int(port), connected))
        await connected.wait()
        systemd.ready("connected to the edge")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-autoupdate", action="store_true", required=True)
    parser.add_argument("--metrics", required=True)
    parser.add_argument("command", nargs=2)
    parser.add_argument("--token-file", type=Path, required=True)
    arguments = parser.parse_args()
    assert arguments.command == ["tunnel", "run"]
    asyncio.run(main(arguments.token_file.read_text().strip(), arguments.metrics))
