"""Who fetches which part of a segment: a pure function that every member computes alike.

Integers only, so that Python and TypeScript agree; `tests/vectors/plan.json` holds them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

PLAN_VERSION = 2
"""Part of the protocol: members with different plans must not share a room."""
FULL_WEIGHT = 4
"""weights are quarters: 4, 2, 1, or 0 for who receives only"""
ORIGIN_SHARE_UNITS = 32
"""the part of a segment that everybody fetches for itself is so many thirty-seconds"""
SUCCESSORS = 2


@dataclass(frozen=True)
class PlanMember:
    """A member of the room, as far as plans go."""

    id: str
    weight: int = FULL_WEIGHT
    """0: owns nothing, and passes nothing on"""
    unreachable: frozenset[str] = frozenset()
    """members that it has no link to"""


@dataclass(frozen=True)
class Slice:
    """A run of pieces and the member that fetches it from the store and pushes it on."""

    first: int
    """index of the first piece"""
    end: int
    """index after the last piece"""
    owner: str
    """member id"""
    successors: tuple[str, ...] = ()
    """members that step in for the owner, the first one first"""


def piece_count(size: int, piece_size: int) -> int:
    """Return the number of pieces in a segment of `size` bytes; the last one may be shorter."""
    return -(-size // piece_size)


def shared_pieces(pieces: int, origin_share: int) -> int:
    """Return how many pieces are shared out; the store brings everybody the ones after them.

    `for_all` is the room's part for the store, in ORIGIN_SHARE_UNITS.
    """
    return pieces - pieces * origin_share // ORIGIN_SHARE_UNITS


def plan(
    ready: Sequence[PlanMember], sequence: int, size: int, piece_size: int, origin_share: int = 0
) -> tuple[Slice, ...]:
    """Cut one segment into slices by the members' weights.

    `ready` are the ready members with the segment's variant, sorted by the bytes of their ids;
    `sequence` is the media sequence number, which rotates the owners; sizes are in bytes. The
    slices come in the order of their pieces and cover each shared piece once; nobody able: none.
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
    """Return who passes a slice on to a receiver without a link to its owner.

    The able member of lowest rank with links to both, or None when the owner's link is there, or
    nobody has both. `members` are those that the segment is planned with.
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


@lru_cache(maxsize=1024)  # slices and their relays ask for the same ones again
def rank(sequence: int, first: int, member: str) -> int:
    """Return a member's place for a slice: 32 bits that everybody computes alike (FNV-1a, mixed).

    `member` is ASCII.
    """
    value = 0x811C9DC5
    for byte in f"{sequence}/{first}/{member}".encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    value = (value ^ value >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    value = (value ^ value >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return value ^ value >> 16


def are_unlinked(one: PlanMember, other: PlanMember) -> bool:
    """Say whether two members have no link; it takes one of them to say so."""
    return other.id in one.unreachable or one.id in other.unreachable
