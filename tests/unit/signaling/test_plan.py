from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shoal.segments import piece_size_for
from shoal.signaling.rooms.plan import (
    FULL_WEIGHT,
    ORIGIN_SHARE_UNITS,
    PlanMember,
    piece_count,
    plan,
    relay,
)
from tests.vectors import generate_plan

names = st.lists(
    st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=12), unique=True, max_size=32
).map(sorted)
rosters = names.map(lambda members: [PlanMember(member) for member in members])


@st.composite
def mixed_rosters(draw: st.DrawFn) -> list[PlanMember]:
    """Members of all weights, some without a link to each other."""
    members = draw(names)
    return [
        PlanMember(
            member,
            draw(st.sampled_from([0, 1, 2, FULL_WEIGHT])),
            draw(st.frozensets(st.sampled_from(members))),
        )
        for member in members
    ]


sequences = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 6_000_000)


def test_the_vectors_are_what_the_plan_says() -> None:
    assert generate_plan.PATH.read_text() == generate_plan.render(), (
        "the plan changed: raise PLAN_VERSION, run tests/vectors/generate_plan.py"
    )


def test_nobody_ready_means_no_slices() -> None:
    assert plan([], 7, 1_200_000, 65_536) == ()


@given(rosters.filter(len), sequences, sizes)
def test_every_piece_has_one_owner(ready: list[PlanMember], sequence: int, size: int) -> None:
    piece_size = piece_size_for(size)
    slices = plan(ready, sequence, size, piece_size)
    pieces = [
        piece for piece_slice in slices for piece in range(piece_slice.first, piece_slice.end)
    ]
    assert pieces == list(range(piece_count(size, piece_size)))


@given(rosters, sequences, sizes)
def test_slices_are_even_and_nobody_has_two(
    ready: list[PlanMember], sequence: int, size: int
) -> None:
    slices = plan(ready, sequence, size, piece_size_for(size))
    lengths = [piece_slice.end - piece_slice.first for piece_slice in slices]
    assert not lengths or (min(lengths) > 0 and max(lengths) - min(lengths) <= 1)
    owners = [piece_slice.owner for piece_slice in slices]
    assert len(set(owners)) == len(owners)
    assert set(owners) <= {member.id for member in ready}


@given(rosters.filter(len), sequences, sizes)
def test_turns_are_even(ready: list[PlanMember], sequence: int, size: int) -> None:
    owned = Counter(
        piece_slice.owner
        for turn in range(len(ready))
        for piece_slice in plan(ready, sequence + turn, size, piece_size_for(size))
    )
    assert len({owned[member.id] for member in ready}) == 1


@given(mixed_rosters(), sequences, sizes, st.integers(0, ORIGIN_SHARE_UNITS))
def test_shared_pieces_have_one_owner_and_others_step_in(
    ready: list[PlanMember], sequence: int, size: int, origin_share: int
) -> None:
    piece_size = piece_size_for(size)
    slices = plan(ready, sequence, size, piece_size, origin_share)
    owners = {member.id for member in ready if member.weight > 0}
    count = piece_count(size, piece_size)
    shared = [
        piece for piece_slice in slices for piece in range(piece_slice.first, piece_slice.end)
    ]
    assert shared == list(
        range(count - count * origin_share // ORIGIN_SHARE_UNITS if owners else 0)
    )
    for piece_slice in slices:
        assert piece_slice.owner in owners
        assert set(piece_slice.successors) <= owners - {piece_slice.owner}
        assert len(piece_slice.successors) == min(2, len(owners) - 1)


@given(mixed_rosters(), sequences)
def test_a_relay_has_links_to_the_owner_and_to_the_receiver(
    ready: list[PlanMember], sequence: int
) -> None:
    def are_unlinked(one: PlanMember, other: PlanMember) -> bool:
        return other.id in one.unreachable or one.id in other.unreachable

    by_id = {member.id: member for member in ready}
    for piece_slice in plan(ready, sequence, 1_200_000, 65_536):
        owner = by_id[piece_slice.owner]
        for receiver in ready:
            between = relay(ready, sequence, piece_slice, receiver)
            owners = [
                member
                for member in ready
                if member.weight > 0
                and member not in (owner, receiver)
                and not are_unlinked(member, owner)
                and not are_unlinked(member, receiver)
            ]
            if receiver is owner or not are_unlinked(owner, receiver) or not owners:
                assert between is None
            else:
                assert between in {member.id for member in owners}


def test_relays_and_successors_are_spread_evenly() -> None:
    ready = [PlanMember(f"m{number:02}") for number in range(24)]
    ready[0] = PlanMember("m00", unreachable=frozenset({"m01"}))
    relays, first = Counter[str | None](), Counter[str]()
    for sequence in range(2_000):
        for piece_slice in plan(ready, sequence, 1_200_000, 65_536):
            first[piece_slice.successors[0]] += 1
            if piece_slice.owner == "m00":
                relays[relay(ready, sequence, piece_slice, ready[1])] += 1
    for counts, members in ((first, 24), (relays, 22)):
        mean = sum(counts.values()) / members
        assert len(counts) == members
        assert max(counts.values()) < 1.6 * mean
        assert min(counts.values()) > 0.5 * mean
