"""The tracker's rules, without sockets."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.signaling.tracker import matching
from shoal.signaling.tracker import swarms as rules
from shoal.signaling.tracker.matching import ConnectionId
from shoal.signaling.tracker.messages import (
    MAX_OFFERS,
    Announce,
    AnnounceResponse,
    BadMessageError,
    Failure,
    InfoHash,
    PeerAnswer,
    PeerOffer,
    Scrape,
    ScrapeResponse,
    decode,
    encode,
)
from shoal.signaling.tracker.swarms import SILENCE_LIMIT_S, Outgoing, Swarms

HASH = "".join(chr(n) for n in range(236, 256))
OTHER_HASH = "h" * 20


def peer(number: int) -> str:
    return f"-XX0001-{number:012d}"


def announce_message(**fields: Any) -> Announce:
    """Return an announce as it comes over the wire."""
    body = {"action": "announce", "info_hash": HASH, "peer_id": peer(1), "left": 5, **fields}
    message = decode(msgspec.json.encode(body))
    assert isinstance(message, Announce)
    return message


def offers(count: int) -> list[dict[str, Any]]:
    return [
        {"offer_id": f"{n:020d}", "offer": {"type": "offer", "sdp": "v=0"}} for n in range(count)
    ]


def announce(swarms: Swarms, number: int, count: int = 0, **fields: Any) -> list[Outgoing]:
    """Let peer `number` announce over connection `number`."""
    return swarms.announce(
        ConnectionId(number),
        announce_message(peer_id=peer(number), offers=offers(count), **fields),
        0.0,
    )


def offered_to(messages: Sequence[Outgoing]) -> list[int]:
    return [m.connection_id for m in messages if isinstance(m.message, PeerOffer)]


def test_an_announce_is_acknowledged_with_the_counts() -> None:
    swarms = Swarms()
    announce(swarms, 1, left=0)
    [reply] = announce(swarms, 2)
    assert reply.connection_id == 2
    assert msgspec.json.decode(encode(reply.message)) == {
        "action": "announce",
        "info_hash": HASH,
        "interval": 120,
        "complete": 1,
        "incomplete": 1,
    }


def test_an_offer_goes_to_one_peer_and_its_answer_comes_back_unread() -> None:
    swarms = Swarms()
    announce(swarms, 1)
    sent = swarms.announce(
        ConnectionId(2),
        announce_message(
            peer_id=peer(2), offers=[{"offer_id": "o" * 20, "offer": {"sdp": [1, {"x": None}]}}]
        ),
        0.0,
    )
    assert [m.connection_id for m in sent] == [2, 1]
    assert msgspec.json.decode(encode(sent[1].message)) == {
        "action": "announce",
        "info_hash": HASH,
        "peer_id": peer(2),
        "offer_id": "o" * 20,
        "offer": {"sdp": [1, {"x": None}]},
    }
    answer = announce_message(
        peer_id=peer(1), to_peer_id=peer(2), offer_id="o" * 20, answer={"sdp": "a"}
    )
    [back] = swarms.announce(ConnectionId(1), answer, 0.0)
    assert back.connection_id == 2
    assert isinstance(back.message, PeerAnswer)
    assert msgspec.json.decode(encode(back.message))["answer"] == {"sdp": "a"}


def test_seeds_are_offered_to_first_but_not_by_seeds() -> None:
    swarms = Swarms()
    for number in range(1, 20):
        announce(swarms, number)
    announce(swarms, 20, left=0, numwant=5)
    assert offered_to(announce(swarms, 21, 1)) == [20]
    assert 20 not in offered_to(announce(swarms, 22, MAX_OFFERS, left=0))


def test_a_peer_gets_no_more_offers_than_it_wants_while_others_want_some() -> None:
    swarms = Swarms()
    announce(swarms, 1, left=0, numwant=2)
    announce(swarms, 2, numwant=50)
    announce(swarms, 3, numwant=50)
    got = [offered_to(announce(swarms, number, 1))[0] for number in range(10, 16)]
    assert got.count(1) == 2
    announce(swarms, 1, left=0, numwant=2)
    assert offered_to(announce(swarms, 16, 1)) == [1]


def test_introduced_peers_are_introduced_again_last() -> None:
    swarms = Swarms()
    for number in range(1, 11):
        announce(swarms, number)
    first = offered_to(announce(swarms, 20, 5, left=0))
    second = offered_to(announce(swarms, 20, 5, left=0))
    assert sorted(first + second) == list(range(1, 11))


@pytest.mark.parametrize(
    "stale",
    [
        {"to_peer_id": peer(9)},
        {"to_peer_id": None},
        {"peer_id": peer(9)},
        {"info_hash": OTHER_HASH},
        {"offer_id": None},
    ],
)
def test_a_stale_answer_is_ignored(stale: dict[str, Any]) -> None:
    swarms = Swarms()
    announce(swarms, 1)
    announce(swarms, 2)
    fields = {"to_peer_id": peer(2), "offer_id": "o" * 20, "answer": {"sdp": ""}, **stale}
    assert swarms.announce(ConnectionId(1), announce_message(**fields), 0.0) == []
    assert swarms.peers == 2


def test_nobody_answers_in_another_peers_name() -> None:
    swarms = Swarms()
    announce(swarms, 1)
    announce(swarms, 2)
    forged = announce_message(
        peer_id=peer(1), to_peer_id=peer(2), offer_id="o" * 20, answer={"sdp": ""}
    )
    assert swarms.announce(ConnectionId(3), forged, 0.0) == []


def test_a_peer_that_comes_back_on_a_new_socket_takes_its_place_over() -> None:
    swarms = Swarms()
    announce(swarms, 1)
    swarms.announce(ConnectionId(50), announce_message(peer_id=peer(1)), 0.0)
    swarms.remove_connection(ConnectionId(1))
    assert swarms.peers == 1
    assert offered_to(announce(swarms, 2, 3)) == [50]


def test_stopped_vanished_and_silent_peers_are_removed() -> None:
    swarms = Swarms()
    announce(swarms, 1)
    announce(swarms, 2)
    announce(swarms, 3)
    assert isinstance(announce(swarms, 1, event="stopped")[0].message, AnnounceResponse)
    swarms.remove_connection(ConnectionId(2))
    assert offered_to(announce(swarms, 4, 5)) == [3]
    swarms.expire(SILENCE_LIMIT_S + 1)
    assert (len(swarms), swarms.peers) == (0, 0)


def test_a_scrape_counts_known_and_unknown_swarms() -> None:
    swarms = Swarms()
    announce(swarms, 1, left=0)
    announce(swarms, 2, event="completed")
    announce(swarms, 3, left=None)
    reply = swarms.scrape(ConnectionId(9), Scrape([HASH, OTHER_HASH, "bad"]), ())
    assert isinstance(reply.message, ScrapeResponse)
    assert msgspec.json.decode(encode(reply.message)) == {
        "action": "scrape",
        "files": {
            HASH: {"complete": 2, "incomplete": 1, "downloaded": 1},
            OTHER_HASH: {"complete": 0, "incomplete": 0, "downloaded": 0},
        },
    }


@pytest.mark.parametrize("bad", [{"info_hash": "short"}, {"info_hash": "ẞ" * 20}, {"peer_id": ""}])
def test_a_hash_that_is_not_20_bytes_is_refused_by_name(bad: dict[str, Any]) -> None:
    swarms = Swarms()
    [reply] = swarms.announce(ConnectionId(1), announce_message(**bad), 0.0)
    assert isinstance(reply.message, Failure)
    assert "20 bytes" in msgspec.json.decode(encode(reply.message))["failure reason"]
    assert len(swarms) == 0


def test_everything_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_SWARMS", 3)
    monkeypatch.setattr(rules, "MAX_PEERS_PER_SWARM", 3)
    monkeypatch.setattr(rules, "MAX_SWARMS_PER_CONNECTION", 2)
    monkeypatch.setattr(matching, "MAX_INTRODUCED", 4)
    swarms = Swarms()
    for number in range(20):
        announce(swarms, number)
    assert swarms.peers == 3
    for number in range(20):
        announce(swarms, 0, info_hash=f"{number:020d}")
        announce(swarms, 50 + number, info_hash=f"{number:020d}")
    assert len(swarms) == 3
    assert announce(swarms, 0, info_hash=HASH)[0].message == AnnounceResponse(
        info_hash=InfoHash(HASH), interval=120, complete=0, incomplete=3
    )


def test_offers_beyond_the_limit_are_ignored() -> None:
    swarms = Swarms()
    for number in range(1, 60):
        announce(swarms, number)
    assert len(offered_to(announce(swarms, 99, MAX_OFFERS + 10))) == MAX_OFFERS


@pytest.mark.parametrize(
    "frame",
    ["", "[]", "{", '{"action":"dance"}', '{"action":"announce","info_hash":7}', "[" * 100_000],
)
def test_an_invalid_message_is_refused_with_a_reason(frame: str) -> None:
    with pytest.raises(BadMessageError):
        decode(frame)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["announce", "announce", "answer", "stopped", "leave", "expire", "scrape"]),
        st.integers(1, 6),  # connection
        st.integers(1, 6),  # peer
        st.integers(1, 6),  # peer that gets the answer
        st.sampled_from([HASH, OTHER_HASH, "bad"]),
        st.booleans(),
        st.integers(0, 4),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(EVENTS, st.randoms(use_true_random=False))
def test_messages_stay_within_a_swarm_after_any_events(
    events: list[tuple[str, int, int, int, str, bool, int]], chance: random.Random
) -> None:
    swarms = Swarms(chance)
    owners: dict[tuple[str, str], int] = {}  # (hash, peer id) → connection, counted here
    for now_s, (kind, connection, number, other, info_hash, seed, count) in enumerate(events):
        fields: dict[str, Any] = {"info_hash": info_hash, "peer_id": peer(number)}
        sender = ConnectionId(connection)
        messages: list[Outgoing] = []
        if kind == "leave":
            swarms.remove_connection(sender)
            owners = {k: v for k, v in owners.items() if v != connection}
        elif kind == "expire":
            swarms.expire(float(now_s))
        elif kind == "scrape":
            messages = [swarms.scrape(sender, Scrape([info_hash]), ())]
        elif kind == "stopped":
            messages = swarms.announce(
                sender, announce_message(event="stopped", **fields), float(now_s)
            )
            if owners.get((info_hash, peer(number))) == connection:
                del owners[info_hash, peer(number)]
        elif kind == "answer":
            fields |= {"to_peer_id": peer(other), "offer_id": "o" * 20, "answer": {"sdp": ""}}
            messages = swarms.announce(sender, announce_message(**fields), float(now_s))
        else:
            fields |= {"offers": offers(count), "left": 0 if seed else 9}
            messages = swarms.announce(sender, announce_message(**fields), float(now_s))
            if info_hash != "bad":
                owners[info_hash, peer(number)] = connection
        for outgoing in messages:
            body = msgspec.json.decode(encode(outgoing.message))
            if isinstance(outgoing.message, PeerOffer | PeerAnswer):
                assert owners[body["info_hash"], body["peer_id"]] == connection
                members = {
                    c
                    for (h, p), c in owners.items()
                    if h == body["info_hash"] and p != body["peer_id"]
                }
                assert outgoing.connection_id in members
            else:
                assert outgoing.connection_id == connection
        assert swarms.peers == len(owners)
        assert len(swarms) == len({h for h, _ in owners})
