"""The plan of a segment, who fetches which pieces: a pure function that gives all members the same.

It uses integers only, so that Python and TypeScript agree; `tests/vectors/plan.json` checks both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

PLAN_VERSION = 2
"""Part of the protocol: members with different plans must not share a room."""
FULL_WEIGHT = 4
"""weights are in quarters: 4, 2, 1, or 0 for a member that only receives"""
ORIGIN_SHARE_UNITS = 32
"""the origin share of a segment is counted in thirty-seconds"""
SUCCESSORS = 2


@dataclass(frozen=True)
class PlanMember:
    """A member of the room, as plans see it."""

    id: str
    weight: int = FULL_WEIGHT
    """0: owns no slices, and relays none"""
    unreachable: frozenset[str] = frozenset()
    """members that it has no link to"""


@dataclass(frozen=True)
class Slice:
    """A run of pieces, which its owner fetches from the store and pushes to the others."""

    first: int
    """index of the first piece"""
    end: int
    """index after the last piece"""
    owner: str
    """member id"""
    successors: tuple[str, ...] = ()
    """members that step in for the owner, in this order"""


def piece_count(size: int, piece_size: int) -> int:
    """Return the number of pieces in a segment of `size` bytes; the last one may be shorter."""
    return -(-size // piece_size)


def shared_pieces(pieces: int, origin_share: int) -> int:
    """Return how many pieces the plan covers; everybody fetches the ones after them from the store.

    `origin_share` is in ORIGIN_SHARE_UNITS.
    """
    return pieces - pieces * origin_share // ORIGIN_SHARE_UNITS


def plan(
    ready: Sequence[PlanMember], sequence: int, size: int, piece_size: int, origin_share: int = 0
) -> tuple[Slice, ...]:
    """Divide one segment into slices, by the members' weights.

    `ready` are the ready members with the segment's variant, sorted by the bytes of their ids;
    `sequence` is the media sequence number, which rotates the owners; sizes are in bytes. The
    slices are in the order of their pieces and cover each shared piece once. There are none if no
    member can own one.
    """
    owners = [member for member in ready if member.weight > 0]
    pieces = shared_pieces(piece_count(size, piece_size), origin_share)
    total = sum(member.weight for member in owners)
    slices: list[Slice] = []
    weight_so_far = 0
    for k in range(len(owners)):
        owner = owners[(k + sequence) % len(owners)]
        first, end = (
            pieces * weight_so_far // total,
            pieces * (weight_so_far + owner.weight) // total,
        )
        weight_so_far += owner.weight
        if first < end:
            others = [member.id for member in owners if member is not owner]
            ranked = sorted(others, key=lambda other: (rank(sequence, first, other), other))
            slices.append(Slice(first, end, owner.id, tuple(ranked[:SUCCESSORS])))
    return tuple(slices)


def relay(
    members: Sequence[PlanMember], sequence: int, planned_slice: Slice, receiver: PlanMember
) -> str | None:
    """Return who relays a slice to a receiver without a link to its owner.

    This is the member of lowest rank with a weight and links to both. None if the link to the owner
    exists, or if no member has links to both. `members` are those in the segment's plan.
    """
    if receiver.id == planned_slice.owner:
        return None
    owner = next(member for member in members if member.id == planned_slice.owner)
    if not are_unlinked(owner, receiver):
        return None
    excluded = {owner.id, receiver.id} | owner.unreachable | receiver.unreachable
    candidates = [
        member.id
        for member in members
        if member.weight > 0
        and member.id not in excluded
        and owner.id not in member.unreachable
        and receiver.id not in member.unreachable
    ]
    return min(
        candidates,
        key=lambda other: (rank(sequence, planned_slice.first, other), other),
        default=None,
    )


@lru_cache(maxsize=1024)  # slices and their relays ask for the same ranks again
def rank(sequence: int, first: int, member: str) -> int:
    """Return a member's rank for a slice: 32 bits that all members compute alike (FNV-1a, mixed).

    `member` is ASCII.
    """
    value = 0x811C9DC5
    for byte in f"{sequence}/{first}/{member}".encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def are_unlinked(one: PlanMember, other: PlanMember) -> bool:
    """Return whether two members have no link; it is enough that one of them says so."""
    return other.id in one.unreachable or one.id in other.unreachable
