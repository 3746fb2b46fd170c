import base64
import hashlib

from hypothesis import given
from hypothesis import strategies as st

from shoal.segments import MAX_PIECES, MIN_PIECE_BYTES, piece_hashes, piece_size_for


@given(st.integers(1, 200_000_000))
def test_the_piece_size_is_the_smallest_power_of_two_that_fits(size: int) -> None:
    piece = piece_size_for(size)
    assert piece >= MIN_PIECE_BYTES
    assert piece & (piece - 1) == 0
    assert -(-size // piece) <= MAX_PIECES
    assert piece == MIN_PIECE_BYTES or -(-size // (piece // 2)) > MAX_PIECES


def test_every_piece_is_hashed_and_the_last_may_be_short() -> None:
    data = bytes(range(256)) * 130
    hashes = piece_hashes(data, 16384)
    assert len(hashes) == 3
    assert base64.b64decode(hashes[2]) == hashlib.sha256(data[32768:]).digest()
