import msgspec

from shoal.broadcaster.owncast_status import BYPASS_AFTER_S, OwncastStatus, Status
from shoal.local.owncast import VIEWER_GONE_S, Audience


def test_viewers_of_owncasts_own_playlist_are_a_bypass() -> None:
    owncast = OwncastStatus("http://localhost:8080")
    owncast.update(Status(online=True, viewerCount=3), 0)
    assert owncast.bypass_problem(BYPASS_AFTER_S - 1) is None
    owncast.update(Status(online=True, viewerCount=2), 15)
    message = owncast.bypass_problem(BYPASS_AFTER_S)
    assert message is not None
    assert message.startswith("2 viewers load Owncast's own playlist")
    owncast.update(msgspec.json.decode(b'{"online":true}', type=Status), 21)
    assert owncast.bypass_problem(100) is None


def test_a_single_request_is_not_a_bypass() -> None:
    owncast = OwncastStatus("http://localhost:8080")
    for now, count in ((0, 0), (5, 1), (10, 1), (15, 1), (20, 0), (25, 1), (30, 0)):
        owncast.update(Status(viewerCount=count), now)
        assert owncast.bypass_problem(now + 4.9) is None


def test_the_stand_in_counts_viewers_as_owncast_does() -> None:
    audience = Audience()
    audience.seen(("10.0.0.1", "Firefox"), 0)
    audience.seen(("10.0.0.1", "Firefox"), 4)
    audience.seen(("10.0.0.1", "Chromium"), 4)
    assert audience.count(4) == 2
    audience.seen(("10.0.0.1", "Firefox"), 8)
    assert audience.count(4 + VIEWER_GONE_S + 1) == 1
    assert audience.count(99) == 0
