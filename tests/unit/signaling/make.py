"""Factories for tests of signaling."""

from shoal.api_types import BytesBySource
from shoal.segments import Descriptor
from shoal.signaling.rooms.messages import Stats


def descriptor(
    sequence: int, variant: int = 0, stream: str = "abc", *, size: int = 40_000
) -> Descriptor:
    name = f"stream-{stream}-{sequence}.ts"
    return Descriptor(
        variant=variant,
        sequence=sequence,
        name=name,
        url=f"http://store.example/live/{variant}/{name}",
        size=size,
        duration=4.0,
        program_date_time="2030-01-01T00:00:00.000Z",
        discontinuity=False,
        sha256="00" * 32,
        piece_size=16_384,
        pieces=("AA==", "AA==", "AA=="),
    )


def stats(
    p2p: int = 0,
    store: int = 0,
    seed: int = 0,
    *,
    startup: BytesBySource | None = None,
    uploaded: int = 0,
    peers: int = 0,
    stalls: int = 0,
    latency_s: float | None = None,
    uplink_bps: float | None = None,
) -> Stats:
    return Stats(
        bytes=BytesBySource(p2p, store, seed),
        startup=startup or BytesBySource(),
        uploaded=uploaded,
        peers=peers,
        stalls=stalls,
        latency_s=latency_s,
        uplink_bps=uplink_bps,
    )
