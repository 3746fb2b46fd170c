"""When WebSockets write."""

import asyncio

import pytest

from shoal.signaling import websocket
from shoal.signaling.websocket import WriteBatcher, with_headers


class Reader:
    """Records flushes."""

    def __init__(self) -> None:
        self.flushed = 0
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.flushed += 1
        self.written.set()


def test_frames_of_a_turn_leave_at_its_end() -> None:
    async def run() -> None:
        writes, readers = WriteBatcher(), [Reader(), Reader()]
        for reader in readers:
            writes.flush_this_turn(reader)
        assert [reader.flushed for reader in readers] == [0, 0]
        await asyncio.sleep(0)
        assert [reader.flushed for reader in readers] == [1, 1]

    asyncio.run(run())


def test_delayed_frames_leave_with_the_first_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    delay_s = 0.1  # a busy machine takes longer than the real delay between two lines of a test
    monkeypatch.setattr(websocket, "WRITE_DELAY_S", delay_s)

    async def run() -> None:
        writes, first, second = WriteBatcher(), Reader(), Reader()
        begun = asyncio.get_running_loop().time()
        writes.flush_delayed(first)
        await asyncio.sleep(delay_s / 2)
        writes.flush_delayed(second)
        assert not first.flushed
        await first.written.wait()
        assert asyncio.get_running_loop().time() - begun >= delay_s * 0.9
        assert second.flushed == 1
        writes.flush_delayed(first)
        await asyncio.sleep(2 * delay_s)
        assert first.flushed == 2

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_has_the_header_of_its_size(size: int) -> None:
    header, frame = with_headers([bytes(size)])
    assert header[0] == 0x81  # the only frame of a text message
    length = {2: header[1], 4: int.from_bytes(header[2:], "big"), 10: int.from_bytes(header[2:])}
    assert length[len(header)] == len(frame) == size
    assert len(header) == (2 if size < 126 else 4 if size < 1 << 16 else 10)
