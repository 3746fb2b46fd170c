"""docs/protocol.md, the shared vectors and signaling's types agree."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from shoal.signaling.rooms.messages import (
    BadMessageError,
    FromViewer,
    Join,
    ToViewer,
    decode,
    encode,
)
from shoal.signaling.rooms.plan import PLAN_VERSION

ROOT = Path(__file__).parents[3]
PROTOCOL = (ROOT / "docs/protocol.md").read_text()
MESSAGES = json.loads((ROOT / "tests/vectors/messages.json").read_text())
WIRE = json.loads((ROOT / "tests/vectors/wire.json").read_text())
HEADER_BYTES = 16

Message = dict[str, Any]


def types_of(union: Any) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in get_args(union)}


@pytest.mark.parametrize("message", MESSAGES["from_viewer"], ids=lambda m: m["type"])
def test_messages_from_viewers_are_decoded_completely(message: Message) -> None:
    understood = decode(json.dumps(message))
    assert understood is not None
    assert json.loads(msgspec.json.encode(understood)) == message
    if isinstance(understood, Join):
        assert understood.plan_version == PLAN_VERSION


@pytest.mark.parametrize("message", MESSAGES["to_viewer"], ids=lambda m: m["type"])
def test_messages_to_viewers_match_the_vectors(message: Message) -> None:
    ours = msgspec.json.decode(json.dumps(message), type=ToViewer)
    assert json.loads(encode(ours)) == message


@pytest.mark.parametrize("message", MESSAGES["refused"], ids=json.dumps)
def test_invalid_messages_are_refused(message: Message) -> None:
    with pytest.raises(BadMessageError):
        decode(json.dumps(message))


@pytest.mark.parametrize("message", MESSAGES["ignored"], ids=json.dumps)
def test_unknown_types_are_ignored(message: Message) -> None:
    assert decode(json.dumps(message)) is None


def test_every_message_has_a_vector_and_a_line_in_the_document() -> None:
    joining, rest = PROTOCOL.split("| to the viewer | meaning |")
    for shown, union, vectors in (
        (joining, FromViewer, MESSAGES["from_viewer"]),
        (rest, ToViewer, MESSAGES["to_viewer"]),
    ):
        described = set(re.findall(r'^\| `\{"type":"([a-z]+)"', shown, re.MULTILINE))
        assert described == types_of(union) == {message["type"] for message in vectors}


def header_of_the_document() -> dict[int, int]:
    """Return the size of each header field of a frame by its offset, in bytes."""
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ", PROTOCOL, re.MULTILINE)
    sizes = {int(at): int(size) for at, size in rows}
    assert sum(sizes.values()) == HEADER_BYTES
    return sizes


def kinds_of_the_document() -> dict[int, str]:
    found = re.findall(r"(\d) = (piece|have|request|want|pause)", PROTOCOL)
    return {int(number): name for number, name in found}


@pytest.mark.parametrize("vector", WIRE["frames"], ids=lambda v: v["frame"]["type"])
def test_frames_are_as_the_document_says(vector: Message) -> None:
    data, frame = bytes.fromhex(vector["hex"]), vector["frame"]
    sizes = header_of_the_document()
    read = [int.from_bytes(data[at : at + size]) for at, size in sorted(sizes.items())]
    assert read == [
        next(number for number, name in kinds_of_the_document().items() if name == frame["type"]),
        frame["variant"],
        frame.get("piece", 0),
        frame["sequence"],
        frame.get("offset", frame.get("pieces", 0)),
        frame.get("total", 0),
    ]
    assert data[HEADER_BYTES:].hex() == frame.get("payload", "")


def test_every_kind_of_frame_has_a_vector() -> None:
    assert {vector["frame"]["type"] for vector in WIRE["frames"]} == {
        *kinds_of_the_document().values()
    }
