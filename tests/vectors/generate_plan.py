"""Writes `plan.json`, the slice plans that Python and TypeScript must both compute.

Run it after a deliberate change of the plan: `python tests/vectors/generate_plan.py`.
"""

import json
from pathlib import Path
from typing import Any

from shoal.segments import piece_size_for
from shoal.signaling.rooms.plan import PLAN_VERSION, PlanMember, plan, relay

PATH = Path(__file__).with_name("plan.json")
KIB = 1024
SEGMENT = 1_200_000  # 5 s at 1.92 Mbit/s

CREW = ("0Zq", "A-1", "A_1", "Zz", "a1", "a10", "a2", "b")
FULL_ROOM = tuple(f"m{number:02}" for number in range(24))
HARD_LIMIT = tuple(f"m{number:02}" for number in range(32))

# (ready, sequence, size in bytes, piece size in bytes)
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
    (("a1", "a2", "b1"), 5, 1, 16 * KIB),  # one piece, and it moves on
    (("a1", "a2", "b1"), 6, 16 * KIB, 16 * KIB),
    (("a1", "a2", "b1"), 5, 16 * KIB + 1, 16 * KIB),
    (CREW, 0, 3 * 64 * KIB, 64 * KIB),  # more members than pieces
    (CREW, 6, 3 * 64 * KIB, 64 * KIB),  # the same, around the end of the roster
    (CREW, 1097, 8 * 32 * KIB, 32 * KIB),  # a piece each, an exact multiple
    (CREW, 1097, 8 * 32 * KIB - 1, 32 * KIB),
    (CREW, 1097, 8 * 32 * KIB + 1, 32 * KIB),  # nine pieces, eight slices
    (CREW, 1097, SEGMENT, piece_size_for(SEGMENT)),
    (CREW, 2**31 - 1, SEGMENT, 64 * KIB),
    (CREW, 2**31, SEGMENT, 64 * KIB),
    (CREW[:7], 2**32 - 2, SEGMENT, 64 * KIB),
    (CREW[:7], 2**32 - 1, SEGMENT, 64 * KIB),
    (FULL_ROOM, 819, SEGMENT, 64 * KIB),
    (FULL_ROOM, 2**32 - 1, 32 * 256 * KIB, 256 * KIB),
    (HARD_LIMIT, 30, 32 * 64 * KIB, 64 * KIB),
    (HARD_LIMIT, 31, 31 * 64 * KIB, 64 * KIB),
)


# members with weights, missing links, and an origin share
# ((id, weight, unreachable), …), sequence, size, piece size, origin share
MIXED_CASES: tuple[tuple[tuple[PlanMember, ...], int, int, int, int], ...] = tuple(
    (
        tuple(
            PlanMember(
                member,
                weight=(4, 2, 1, 4, 0, 4)[(index + turn) % 6],
                unreachable=frozenset(
                    other
                    for place, other in enumerate(crew)
                    if place < index and (place * 7 + index * 3 + turn) % 5 == 0
                ),
            )
            for index, member in enumerate(crew)
        ),
        900 + turn,
        SEGMENT,
        64 * KIB,
        for_all,
    )
    for turn, (crew, for_all) in enumerate(
        [(CREW, 0), (CREW, 5), (CREW, 16), (FULL_ROOM, 0), (FULL_ROOM, 9), (CREW, 32)]
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
    ready: tuple[PlanMember, ...], sequence: int, size: int, piece_size: int, for_all: int
) -> dict[str, Any]:
    slices = plan(ready, sequence, size, piece_size, for_all)
    return {
        "ready": [
            {"id": member.id, "weight": member.weight, "cut": sorted(member.unreachable)}
            for member in ready
        ],
        "sequence": sequence,
        "size": size,
        "piece_size": piece_size,
        "for_all": for_all,
        "slices": [
            {
                "first": part.first,
                "end": part.end,
                "owner": part.owner,
                "successors": list(part.successors),
            }
            for part in slices
        ],
        # who passes on what to whom, of the first slice and the last
        "relays": [
            {"slice": number, "receiver": member.id, "relay": relay(ready, sequence, part, member)}
            for number, part in enumerate(slices)
            if number in (0, len(slices) - 1)
            for member in ready
            if any(one.unreachable for one in ready)
        ],
    }


def render() -> str:
    """Return the file's text, one case a line."""
    content = vectors()
    cases = ",\n".join(f"    {json.dumps(case)}" for case in content["cases"])
    return f'{{\n  "plan_version": {content["plan_version"]},\n  "cases": [\n{cases}\n  ]\n}}\n'


if __name__ == "__main__":
    PATH.write_text(render())
