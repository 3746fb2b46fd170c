import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from shoal.announcements import Stream
from shoal.signaling.rooms.messages import (
    BadMessageError,
    ErrorMessage,
    FromViewer,
    Join,
    MemberId,
    Ready,
    RosterEntry,
    RosterMessage,
    SegmentMessage,
    Signal,
    SignalMessage,
    ToViewer,
    decode,
    encode,
)
from tests.unit.signaling.make import descriptor, stats

ANN = MemberId("ann")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('{"type":"join","plan_version":1,"variant":0}', Join(1, 0)),
        ('{"type":"join","plan_version":2,"variant":1,"new":[]}', Join(2, 1)),
        ('{"type":"signal","to":"ann","data":{"a": 1}}', Signal(ANN, Raw(b'{"a": 1}'))),
        ('{"type":"ready"}', Ready()),
        (
            '{"type":"stats","bytes":{"p2p":1,"store":2,"seed":0},"startup":{"p2p":0,"store":0,'
            '"seed":0},"uploaded":3,"peers":2,"stalls":0,"latency_s":9}',
            stats(1, 2, uploaded=3, peers=2, latency_s=9.0),
        ),
        ('{"type":"dance"}', None),
        ('{"type":"room"}', None),
    ],
)
def test_messages_from_viewers(frame: str, message: FromViewer | None) -> None:
    assert decode(frame) == message


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "[]",
        "5",
        "{}",
        '{"type":1}',
        '{"type":"join"}',
        '{"type":"join","plan_version":1,"variant":256}',
        '{"type":"join","plan_version":"1","variant":0}',
        '{"type":"signal","to":"ann"}',
        '{"type":"signal","to":"ann","data":"\\q"}',
        '{"type":"signal","to":"ann","data":' + "[" * 60_000,
        '{"type":"ready","x":' + "[" * 30_000 + "]" * 30_000 + "}",
        b'{"type":"signal","to":"\xff","data":1}',
        b"\x00\x01",
    ],
)
def test_invalid_messages(frame: str | bytes) -> None:
    with pytest.raises(BadMessageError):
        decode(frame)


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_frame_does_worse_than_be_refused(frame: bytes | str) -> None:
    with contextlib.suppress(BadMessageError):
        assert decode(frame) is None


@pytest.mark.parametrize(
    ("message", "wire"),
    [
        (Stream(None, live=False), {"type": "stream", "stream": None, "live": False}),
        (
            RosterMessage(
                room="main",
                plan_version=1,
                epoch=4,
                you=ANN,
                members=(RosterEntry(ANN, 0, ready=True),),
            ),
            {
                "type": "room",
                "room": "main",
                "plan_version": 1,
                "epoch": 4,
                "you": "ann",
                "for_all": 0,
                "members": [{"id": "ann", "variant": 0, "ready": True, "weight": 4, "cut": []}],
            },
        ),
        (
            SignalMessage(ANN, Raw(b'{"candidates":[]}')),
            {"type": "signal", "from": "ann", "data": {"candidates": []}},
        ),
        (ErrorMessage("code", "text"), {"type": "error", "code": "code", "message": "text"}),
    ],
)
def test_messages_to_viewers(message: ToViewer, wire: dict[str, object]) -> None:
    assert json.loads(encode(message)) == wire


def test_a_segment_carries_its_complete_descriptor() -> None:
    wire = json.loads(encode(SegmentMessage(3, descriptor(7))))
    assert (wire["type"], wire["epoch"]) == ("segment", 3)
    assert set(wire["descriptor"]) == {
        "variant",
        "sequence",
        "name",
        "url",
        "size",
        "duration",
        "program_date_time",
        "discontinuity",
        "sha256",
        "piece_size",
        "pieces",
        "infohash",
        "magnet",
        "stored",
    }
