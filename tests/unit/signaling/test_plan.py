from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shoal.segments import piece_size_for
from shoal.signaling.rooms.plan import piece_count, plan
from tests.vectors import generate_plan

rosters = st.lists(
    st.text("ABCXYZabcxyz0189_-", min_size=1, max_size=12), unique=True, max_size=40
).map(sorted)
sequences = st.integers(0, 2**32 - 1)
sizes = st.integers(0, 6_000_000)


def test_the_vectors_are_what_the_plan_says() -> None:
    assert generate_plan.PATH.read_text() == generate_plan.render(), (
        "the plan changed: raise PLAN_VERSION, run tests/vectors/generate_plan.py"
    )


def test_nobody_ready_means_no_slices() -> None:
    assert plan([], 7, 1_200_000, 65_536) == ()


@given(rosters.filter(len), sequences, sizes)
def test_every_piece_has_one_owner(ready: list[str], sequence: int, size: int) -> None:
    piece_size = piece_size_for(size)
    slices = plan(ready, sequence, size, piece_size)
    pieces = [piece for part in slices for piece in range(part.first, part.end)]
    assert pieces == list(range(piece_count(size, piece_size)))


@given(rosters, sequences, sizes)
def test_slices_are_even_and_nobody_has_two(ready: list[str], sequence: int, size: int) -> None:
    slices = plan(ready, sequence, size, piece_size_for(size))
    lengths = [part.end - part.first for part in slices]
    assert not lengths or (min(lengths) > 0 and max(lengths) - min(lengths) <= 1)
    owners = [part.owner for part in slices]
    assert len(set(owners)) == len(owners)
    assert set(owners) <= set(ready)


@given(rosters.filter(len), sequences, sizes)
def test_turns_are_even(ready: list[str], sequence: int, size: int) -> None:
    owned = Counter(
        part.owner
        for turn in range(len(ready))
        for part in plan(ready, sequence + turn, size, piece_size_for(size))
    )
    assert len({owned[member] for member in ready}) == 1
