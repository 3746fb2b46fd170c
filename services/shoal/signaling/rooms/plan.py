"""Who fetches which part of a segment: a pure function that every member computes alike.

Integers only, so that Python and TypeScript agree; `tests/vectors/plan.json` holds them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

PLAN_VERSION = 1
"""Part of the protocol: members with different plans must not share a room."""


@dataclass(frozen=True)
class Slice:
    """A run of pieces and the member that fetches it from the store and pushes it on."""

    first: int
    """index of the first piece"""
    end: int
    """index after the last piece"""
    owner: str
    """member id"""


def piece_count(size: int, piece_size: int) -> int:
    """Return the number of pieces in a segment of `size` bytes; the last one may be shorter."""
    return -(-size // piece_size)


def plan(ready: Sequence[str], sequence: int, size: int, piece_size: int) -> tuple[Slice, ...]:
    """Cut one segment into slices, one for each of as many ready members as there are pieces.

    `ready` are the ids of the ready members with the segment's variant, sorted by their bytes;
    `sequence` is the media sequence number, which rotates the owners; sizes are in bytes. The
    slices come in the order of their pieces and cover each piece once; nobody ready: no slices.
    """
    members = len(ready)
    pieces = piece_count(size, piece_size)
    slices = min(members, pieces)
    return tuple(
        Slice(
            first=pieces * k // slices,
            end=pieces * (k + 1) // slices,
            owner=ready[(k + sequence) % members],
        )
        for k in range(slices)
    )
