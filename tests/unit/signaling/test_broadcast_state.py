from shoal.announcements import Resume, Stream
from shoal.signaling.broadcast_state import RECENT_SEGMENTS, BroadcastState
from tests.unit.signaling.make import descriptor


def test_at_first_nothing_is_on_air() -> None:
    broadcast = BroadcastState()
    assert broadcast.stream == Stream(None, live=False)
    assert broadcast.resume() == Resume({})
    assert broadcast.recent(0) == ()


def test_a_repeated_stream_is_not_announced() -> None:
    broadcast = BroadcastState()
    assert broadcast.set_stream(Stream("abc", live=True))
    assert not broadcast.set_stream(Stream("abc", live=True))
    assert broadcast.set_stream(Stream("abc", live=False))


def test_repeated_and_older_sequences_are_not_announced() -> None:
    broadcast = BroadcastState()
    assert broadcast.publish(descriptor(5))
    assert not broadcast.publish(descriptor(5))
    assert not broadcast.publish(descriptor(4))
    assert broadcast.publish(descriptor(9))
    assert broadcast.chunks == 2


def test_each_variant_has_its_own_order_and_newest_segments() -> None:
    broadcast = BroadcastState()
    for sequence in range(20):
        assert broadcast.publish(descriptor(sequence, variant=0))
    assert broadcast.publish(descriptor(3, variant=1))
    assert [d.sequence for d in broadcast.recent(0)] == list(range(20 - RECENT_SEGMENTS, 20))
    assert [d.sequence for d in broadcast.recent(1)] == [3]
    assert broadcast.resume() == Resume({0: 19, 1: 3})
