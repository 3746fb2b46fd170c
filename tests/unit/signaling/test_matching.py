"""Matching, through the swarms: everybody answers every offer, as real clients do."""

import random
import statistics
from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.signaling.tracker.matching import (
    FEW_PARTNERS,
    MAX_PARTNERS,
    ConnectionId,
    Location,
    Peer,
)
from shoal.signaling.tracker.messages import (
    Announce,
    InfoHash,
    PeerAnswer,
    PeerOffer,
    decode,
)
from shoal.signaling.tracker.swarms import MAX_PEERS_PER_CONNECTION, Outgoing, Swarms

HASH = InfoHash("h" * 20)
NOWHERE = Location()


def peer_id(number: int) -> str:
    return f"-XX0001-{number:012d}"


def say(number: int, **fields: Any) -> Announce:
    body = {"action": "announce", "info_hash": HASH, "peer_id": peer_id(number), "left": 1}
    message = decode(msgspec.json.encode(body | fields))
    assert isinstance(message, Announce)
    return message


class World:
    """A swarm and its viewers, whose links are offers that were answered."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.swarms = Swarms(random.Random(seed + 1))
        self.links: dict[int, set[int]] = {}
        self.seeds: set[int] = set()
        self.now_s = 0.0
        self._newest = 0

    def join(self, where: Location = NOWHERE, offers: int = 5, *, seed: bool = False) -> int:
        self._newest += 1
        number = self._newest
        self.swarms.add_connection(ConnectionId(number), where)
        self.links[number] = set()
        if seed:
            self.seeds.add(number)
        self.announce(number, offers, event="started")
        return number

    def announce(self, number: int, offers: int = 5, **fields: Any) -> list[int]:
        """Let a viewer announce, and everybody answer; return the peers that got an offer."""
        texts = [{"offer_id": f"{n:020d}", "offer": {"sdp": "v=0"}} for n in range(offers)]
        left = 0 if number in self.seeds else 1
        request = say(number, **{"offers": texts, "left": left, "numwant": offers, **fields})
        offers_out = [
            m for m in self._announce(number, request) if isinstance(m.message, PeerOffer)
        ]
        for offer in offers_out:
            assert isinstance(offer.message, PeerOffer)
            answer = say(
                offer.connection_id,
                to_peer_id=peer_id(number),
                offer_id=offer.message.offer_id,
                answer={"sdp": ""},
            )
            for back in self._announce(offer.connection_id, answer):
                assert isinstance(back.message, PeerAnswer)
                assert back.connection_id == number
                self.links[number].add(offer.connection_id)
                self.links[offer.connection_id].add(number)
        return [offer.connection_id for offer in offers_out]

    def leave(self, number: int) -> None:
        self.swarms.remove_connection(ConnectionId(number))
        for other in self.links.pop(number):
            self.links[other].discard(number)
        self.seeds.discard(number)

    def anybody(self) -> int:
        return self.chance.choice(list(self.links))

    def could_use(self, number: int) -> bool:
        """Return whether a viewer can exchange anything with another."""
        if number in self.seeds:
            return len(self.links) > len(self.seeds)
        return len(self.links) > 1

    def components(self) -> Iterator[set[int]]:
        unseen = set(self.links)
        while unseen:
            component, ahead = set[int](), deque([unseen.pop()])
            while ahead:
                component.add(here := ahead.popleft())
                found = self.links[here] & unseen
                unseen -= found
                ahead.extend(found)
            yield component

    @property
    def connectedness(self) -> float:
        return max(map(len, self.components())) / len(self.links)

    def _announce(self, number: int, request: Announce) -> list[Outgoing]:
        return self.swarms.announce(ConnectionId(number), request, self.now_s)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["join", "join", "join", "seed", "announce", "announce", "leave"]),
        st.integers(0, 10_000),
        st.integers(1, 10),
    ),
    max_size=150,
)
PLACES = [
    NOWHERE,
    *(Location(f"203.0.{n}.0/24", country) for n, country in enumerate(("DE", "DE", "FR", ""))),
]


@settings(max_examples=150)
@given(EVENTS, st.integers(0, 2**32))
def test_nobody_has_too_many_partners_and_nobody_is_starved(
    events: list[tuple[str, int, int]], seed: int
) -> None:
    world = World(seed)
    for what, number, offers in events:
        world.now_s += 1
        if what in ("join", "seed"):
            world.join(PLACES[number % len(PLACES)], offers, seed=what == "seed")
        elif world.links:
            someone = list(world.links)[number % len(world.links)]
            if what == "leave":
                world.leave(someone)
            else:
                reached = world.announce(someone, offers)
                assert someone not in reached
                assert len(reached) == len(set(reached)) <= offers
                if someone in world.seeds:
                    assert not world.seeds & set(reached)
                assert bool(world.links[someone]) == world.could_use(someone)
        assert all(len(partners) <= MAX_PARTNERS for partners in world.links.values())
    for number in world.links:
        world.announce(number, 1)
        assert bool(world.links[number]) == world.could_use(number)


@pytest.mark.parametrize("offers", [1, 5])
def test_a_few_of_the_other_kind_are_found_in_a_crowd(offers: int) -> None:
    """One seed among leechers, and one leecher among seeds."""
    one = World(1)
    seed = one.join(seed=True)
    one.announce(seed, 0, numwant=50)
    for _ in range(24):
        assert seed in one.links[one.join(offers=offers)]
    other = World(2)
    leecher = other.join()
    seeds = [other.join(seed=True, offers=offers) for _ in range(200)]
    assert len(other.links[leecher]) == MAX_PARTNERS
    other.leave(leecher)
    leecher = other.join(offers=0)
    other.announce(seeds[0], offers)
    assert other.links[leecher] == {seeds[0]}


@pytest.mark.parametrize("offers", [1, 5, 10])
def test_the_same_network_comes_first_and_yet_the_swarm_is_one(offers: int) -> None:
    world = World(offers)
    where: dict[int, Location] = {}
    for number in range(300):
        # thirty networks in three countries
        place = Location(f"203.0.{number % 30}.0/24", ("DE", "FR", "IT")[number % 3])
        where[world.join(place, offers)] = place
    for _ in range(4):
        for number in world.links:
            world.announce(number, offers)
    pairs = [(where[one], where[two]) for one, others in world.links.items() for two in others]
    network = sum(one.network == two.network for one, two in pairs) / len(pairs)
    country = sum(one.country == two.country for one, two in pairs) / len(pairs)
    assert network > 3 * 9 / 299  # nine of 299 others would be chance
    assert country > 1.5 * 99 / 299
    assert country < 0.95
    assert world.connectedness == 1.0


@pytest.mark.parametrize("size", [20, 300, 1_000])
def test_the_load_is_even(size: int) -> None:
    world = World(size)
    for _ in range(size):
        world.join()
    for number in world.links:
        world.announce(number)
    counts = [len(partners) for partners in world.links.values()]
    assert max(counts) <= 2 * statistics.mean(counts)
    assert min(counts) >= min(FEW_PARTNERS, size - 1)


def test_early_peers_do_not_get_the_offers_of_all_later_ones() -> None:
    world = World(7)
    first = world.join()
    for _ in range(500):
        world.join()
    assert len(world.links[first]) < MAX_PARTNERS


def test_a_peer_that_answers_nothing_gets_a_limited_number_of_offers() -> None:
    swarms = Swarms(random.Random(3))
    swarms.announce(ConnectionId(1), say(1), 0.0)
    texts = [{"offer_id": "o" * 20, "offer": {}}]
    offered = sum(
        message.connection_id == 1
        for number in range(2, 200)
        for message in swarms.announce(ConnectionId(number), say(number, offers=texts), 0.0)
    )
    assert offered <= MAX_PARTNERS


def test_an_answer_to_no_offer_reaches_nobody_and_makes_no_partners() -> None:
    world = World(5)
    for _ in range(10):
        world.join(offers=0)
    forged = say(1, to_peer_id=peer_id(2), offer_id="o" * 20, answer={"sdp": ""})
    assert world.swarms.announce(ConnectionId(1), forged, 0.0) == []
    world.announce(2, 9)
    assert [m.connection_id for m in world.swarms.announce(ConnectionId(1), forged, 0.0)] == [2]


def test_one_connection_carries_few_peers() -> None:
    swarms = Swarms()
    for number in range(100):
        swarms.announce(ConnectionId(1), say(number), 0.0)
    assert swarms.peers == MAX_PEERS_PER_CONNECTION
    elsewhere = say(1, info_hash="o" * 20)
    swarms.announce(ConnectionId(1), elsewhere, 0.0)
    assert swarms.peers == MAX_PEERS_PER_CONNECTION + 1


@pytest.mark.parametrize("of_one_network", [0.0, 0.5])
def test_connectedness_after_a_thousand_joins_and_leaves(
    of_one_network: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A swarm of 300: with each event one viewer joins or leaves, and three announce again."""
    world = World(11)

    def come() -> None:
        near = world.chance.random() < of_one_network
        network = 0 if near else world.chance.randrange(1, 100)
        world.join(Location(f"203.0.{network}.0/24", "DE" if network < 50 else "FR"))

    for _ in range(300):
        come()
    for event in range(1_000):
        world.now_s += 1
        come()
        world.leave(world.anybody())
        for _ in range(3):
            world.announce(world.anybody())
        if event % 100 == 0:
            assert world.connectedness == 1.0
    counts = sorted(len(partners) for partners in world.links.values())
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{len(counts)} peers after 1,000 joins and leaves"
            f" ({of_one_network:.0%} of them in one network): connectedness"
            f" {world.connectedness:.3f}, partners {counts[0]} at least,"
            f" {statistics.median(counts):g} in the median, {counts[-1]} at most"
        )
    assert world.connectedness == 1.0
    assert counts[0] >= 1
    assert counts[-1] <= MAX_PARTNERS
    assert statistics.median(counts) >= 8


def test_peers_drop_their_partners_when_they_restart() -> None:
    world = World(9)
    one, two = world.join(), world.join()
    assert world.links[one] == {two}
    for _ in range(3):  # its page was reloaded: the tracker must offer to it again
        assert world.announce(one, 1, event="started") == [two]


def test_every_pool_is_empty_when_all_have_left() -> None:
    world = World(3)
    for number in range(50):
        world.join(PLACES[number % len(PLACES)], seed=number % 3 == 0)
    swarm = world.swarms._swarms[HASH]
    a_peer: Peer = next(iter(swarm.peers.values()))
    assert a_peer.partners
    for number in tuple(world.links):
        world.announce(number, event="completed")
        assert len(swarm.pools.seeds) == swarm.seeds
        assert len(swarm.pools.seeds) + len(swarm.pools.leechers) == len(swarm.peers)
        world.leave(number)
    assert (len(swarm.pools.seeds), len(swarm.pools.leechers)) == (0, 0)
    assert not any(swarm.pools.near(place.country) for place in PLACES)
    assert not a_peer.partners
