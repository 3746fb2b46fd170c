"""Writes `plan.json`, the slice plans that both Python and TypeScript must compute.

Run it after an intended change of the plan: `python tests/vectors/generate_plan.py`.
"""

import json
from pathlib import Path
from typing import Any

from shoal.segments import piece_size_for
from shoal.signaling.rooms.plan import PLAN_VERSION, PlanMember, plan, relay

PATH = Path(__file__).with_name("plan.json")
KIB = 1024
SEGMENT = 1_200_000  # 5 s at 1.92 Mbit/s

EIGHT_MEMBERS = ("0Zq", "A-1", "A_1", "Zz", "a1", "a10", "a2", "b")
FULL_ROOM = tuple(f"m{number:02}" for number in range(24))
LARGEST_ROOM = tuple(f"m{number:02}" for number in range(32))

# (ids of ready members, sequence, bytes of the segment, bytes of a piece)
CASES: tuple[tuple[tuple[str, ...], int, int, int], ...] = (
    ((), 7, SEGMENT, 64 * KIB),
    ((), 0, 0, 16 * KIB),
    (("a1",), 7, SEGMENT, 64 * KIB),
    (("a1",), 0, 1, 16 * KIB),
    (("a1", "a2"), 0, SEGMENT, 64 * KIB),
    (("a1", "a2"), 1, SEGMENT, 64 * KIB),
    (("a1", "a2", "b1"), 7, SEGMENT, 64 * KIB),
    (("a1", "a2", "b1"), 8, SEGMENT, 64 * KIB),
    (("a1", "a2", "b1"), 9, SEGMENT, 64 * KIB),
    (("a1", "a2", "b1"), 5, 0, 16 * KIB),  # an empty segment has no pieces
    (("a1", "a2", "b1"), 5, 1, 16 * KIB),  # the owner of a single piece depends on the sequence
    (("a1", "a2", "b1"), 6, 16 * KIB, 16 * KIB),
    (("a1", "a2", "b1"), 5, 16 * KIB + 1, 16 * KIB),
    (EIGHT_MEMBERS, 0, 3 * 64 * KIB, 64 * KIB),  # more members than pieces
    (EIGHT_MEMBERS, 6, 3 * 64 * KIB, 64 * KIB),  # the same, at the end of the roster
    (EIGHT_MEMBERS, 1097, 8 * 32 * KIB, 32 * KIB),  # one piece each, all of full size
    (EIGHT_MEMBERS, 1097, 8 * 32 * KIB - 1, 32 * KIB),
    (EIGHT_MEMBERS, 1097, 8 * 32 * KIB + 1, 32 * KIB),  # nine pieces, eight slices
    (EIGHT_MEMBERS, 1097, SEGMENT, piece_size_for(SEGMENT)),
    (EIGHT_MEMBERS, 2**31 - 1, SEGMENT, 64 * KIB),
    (EIGHT_MEMBERS, 2**31, SEGMENT, 64 * KIB),
    (EIGHT_MEMBERS[:7], 2**32 - 2, SEGMENT, 64 * KIB),
    (EIGHT_MEMBERS[:7], 2**32 - 1, SEGMENT, 64 * KIB),
    (FULL_ROOM, 819, SEGMENT, 64 * KIB),
    (FULL_ROOM, 2**32 - 1, 32 * 256 * KIB, 256 * KIB),
    (LARGEST_ROOM, 30, 32 * 64 * KIB, 64 * KIB),
    (LARGEST_ROOM, 31, 31 * 64 * KIB, 64 * KIB),
)


# (members with weights and missing links, sequence, segment bytes, piece bytes, origin share)
MIXED_CASES: tuple[tuple[tuple[PlanMember, ...], int, int, int, int], ...] = tuple(
    (
        tuple(
            PlanMember(
                member,
                weight=(4, 2, 1, 4, 0, 4)[(index + turn) % 6],
                unreachable=frozenset(
                    other
                    for position, other in enumerate(ids)
                    if position < index and (position * 7 + index * 3 + turn) % 5 == 0
                ),
            )
            for index, member in enumerate(ids)
        ),
        900 + turn,
        SEGMENT,
        64 * KIB,
        origin_share,
    )
    for turn, (ids, origin_share) in enumerate(
        [
            (EIGHT_MEMBERS, 0),
            (EIGHT_MEMBERS, 5),
            (EIGHT_MEMBERS, 16),
            (FULL_ROOM, 0),
            (FULL_ROOM, 9),
            (EIGHT_MEMBERS, 32),
        ]
    )
)


def vectors() -> dict[str, Any]:
    """Return the file's content."""
    plain = (
        (tuple(PlanMember(member) for member in ready), sequence, size, piece_size, 0)
        for ready, sequence, size, piece_size in CASES
    )
    return {
        "plan_version": PLAN_VERSION,
        "cases": [_case(*case) for case in (*plain, *MIXED_CASES)],
    }


def _case(
    ready: tuple[PlanMember, ...], sequence: int, size: int, piece_size: int, origin_share: int
) -> dict[str, Any]:
    slices = plan(ready, sequence, size, piece_size, origin_share)
    return {
        "ready": [
            {"id": member.id, "weight": member.weight, "cut": sorted(member.unreachable)}
            for member in ready
        ],
        "sequence": sequence,
        "size": size,
        "piece_size": piece_size,
        "for_all": origin_share,
        "slices": [
            {
                "first": slice_.first,
                "end": slice_.end,
                "owner": slice_.owner,
                "successors": list(slice_.successors),
            }
            for slice_ in slices
        ],
        # the relay for each receiver, for the first slice and the last
        "relays": [
            {
                "slice": number,
                "receiver": member.id,
                "relay": relay(ready, sequence, slice_, member),
            }
            for number, slice_ in enumerate(slices)
            if number in (0, len(slices) - 1)
            for member in ready
            if any(one.unreachable for one in ready)
        ],
    }


def render() -> str:
    """Return the file's text, with one case per line."""
    content = vectors()
    cases = ",\n".join(f"    {json.dumps(case)}" for case in content["cases"])
    return f'{{\n  "plan_version": {content["plan_version"]},\n  "cases": [\n{cases}\n  ]\n}}\n'


if __name__ == "__main__":
    PATH.write_text(render())
