"""What nodes tell each other of rooms: where there is space, who comes, and what is said in them.

A viewer's node has its socket and knows where it sits; the room's node has the room. Whatever goes
from one to the other is in order, or both give up all that they have with each other (`Reset`).
"""

from typing import NewType

import msgspec

from shoal.signaling.rooms.messages import MemberId

NodeId = NewType("NodeId", str)
"""random; new with every process"""


class RoomLine(msgspec.Struct, frozen=True, array_like=True):
    """A room of the node that says so; size 0: there is none of that name any more."""

    room: str
    size: int
    playing: dict[int, int]
    """members by rendition"""


class RoomLines(msgspec.Struct, frozen=True, tag_field="t", tag="rooms"):
    """To everybody: these rooms have changed; or `all` that there are."""

    plan_version: int
    """members with another one can sit in none of them"""
    lines: list[RoomLine]
    all: bool


class Comer(msgspec.Struct, frozen=True, array_like=True):
    """A viewer that asks for a seat."""

    member: MemberId
    variant: int
    upload: bool
    address: str


class Come(msgspec.Struct, frozen=True, tag_field="t", tag="come"):
    """Viewers' node → room's node: give these a seat."""

    comers: list[Comer]
    room: str
    limit: int
    """not if the room had more members with them"""
    moved: bool
    """whether they come from another room, linked with each other; else one newcomer, which may as
    well sit in another room"""


class Taken(msgspec.Struct, frozen=True, tag_field="t", tag="taken"):
    """Room's node → viewers' node: these have their seats."""

    members: list[MemberId]


class Refused(msgspec.Struct, frozen=True, tag_field="t", tag="refused"):
    """Room's node → viewers' node: there is no space."""

    members: list[MemberId]


class Gone(msgspec.Struct, frozen=True, tag_field="t", tag="gone"):
    """Viewers' node → room's node: these have left, or sit elsewhere now, or need no seat."""

    members: list[MemberId]


class Said(msgspec.Struct, frozen=True, tag_field="t", tag="said"):
    """Viewer's node → room's node: a member's message, as on its socket."""

    member: MemberId
    frame: bytes


class Told(msgspec.Struct, frozen=True, tag_field="t", tag="told"):
    """Room's node → viewers' node: pass this frame on."""

    to: list[MemberId]
    frame: bytes
    relayed: bool
    """whether another member caused it: it may be lost"""


class Rostered(msgspec.Struct, frozen=True, tag_field="t", tag="roster"):
    """Room's node → viewers' node: pass this `room` on, with each one's own id for `you`."""

    room: str
    to: list[MemberId]
    frame: bytes


class Expelled(msgspec.Struct, frozen=True, tag_field="t", tag="expelled"):
    """Room's node → viewer's node: this one sends bad pieces."""

    member: MemberId


class Move(msgspec.Struct, frozen=True, tag_field="t", tag="move"):
    """Room's node → viewers' node: these would sit better in a room of `node`."""

    members: list[MemberId]
    node: NodeId
    room: str
    limit: int


class Reset(msgspec.Struct, frozen=True, tag_field="t", tag="reset"):
    """I lost track of you: nobody of mine sits with you any more, and nobody of yours with me."""


Seating = (
    RoomLines | Come | Taken | Refused | Gone | Said | Told | Rostered | Expelled | Move | Reset
)
