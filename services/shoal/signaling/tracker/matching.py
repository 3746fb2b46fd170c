"""Decides which peers get whose offers: plain functions on the peers of one swarm.

A tracker does not see links, only that an offer was answered: two such peers are partners until one
of them leaves. The number of partners is limited, because some clients take every offer that they
get (p2p-media-loader 2.3.1 has no limit of its own). Peers with few partners come first, so that
others find a new peer too, and the hard limit is kept for them when everybody else has enough.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NewType

from shoal.signaling.tracker.messages import PeerId

ENOUGH_PARTNERS = 24
"""beyond this, a peer is only offered to peers with few; a swarm of 1,000 is still four hops
wide"""
MAX_PARTNERS = 32
FEW_PARTNERS = 4
PARTNER_LIFETIME_S = 1_800.0
"""links break unnoticed: partners expire after this time"""
EXTRA_SAMPLES = 3
"""peers to sample besides two for each offer: picking the least busy of a few balances a swarm"""
NEAR_SHARE = 0.4
"""this share of offers goes to the peer's own network, as much to its country, the rest anywhere"""
MAX_INTRODUCED = 200
"""only the most recent introductions of a peer are remembered"""

_RANK_STEP = MAX_PARTNERS
"""in a rank: more than the highest number of partners"""
_rank = itemgetter(0)

ConnectionId = NewType("ConnectionId", int)
"""one client's socket, or another node; either may carry any number of peers"""


@dataclass(frozen=True)
class Location:
    """Where a client is, as far as it is known; empty text: not known."""

    network: str = ""
    """a /24 or /48"""
    country: str = ""
    """two letters"""


@dataclass(slots=True, eq=False)
class Peer:
    """One peer of one swarm."""

    id: PeerId
    connection_id: ConnectionId
    location: Location
    announced_at_s: float
    seed: bool
    wanted_offers: float = 0
    """offers that it answers until its next announce: libtorrent drops the rest"""
    received_offers: int = 0
    """offers passed to it since its last announce"""
    unanswered_offers: int = 0
    """offers of these that it has not answered"""
    partners: "dict[Peer, float]" = field(default_factory=dict["Peer", float])
    """peers with which it shares an answered offer, and since when"""
    introduced: dict[PeerId, None] = field(default_factory=dict[PeerId, None])
    """peers with which it has exchanged an offer, the most recent last"""

    def drop_partners(self) -> None:
        """Drop its partners: the client has restarted, and has no links.

        Introductions stay: answers to its offers may be on their way.
        """
        for partner in self.partners:
            partner.partners.pop(self, None)
        self.partners.clear()

    def note_introduction(self, other: PeerId) -> None:
        """Note an offer to or from another peer."""
        self.introduced.pop(other, None)
        self.introduced[other] = None
        if len(self.introduced) > MAX_INTRODUCED:
            del self.introduced[next(iter(self.introduced))]

    def drop_old_partners(self, now_s: float) -> None:
        """Forget partners from long ago."""
        while self.partners:
            oldest = next(iter(self.partners))
            if now_s - self.partners[oldest] < PARTNER_LIFETIME_S:
                return
            del self.partners[oldest]
            oldest.partners.pop(self, None)


class Pool:
    """Peers to draw from at random, with equal chances."""

    def __init__(self) -> None:
        self._peers: list[Peer] = []
        self._positions: dict[Peer, int] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers)

    def add(self, peer: Peer) -> None:
        """Add a peer."""
        self._positions[peer] = len(self._peers)
        self._peers.append(peer)

    def remove(self, peer: Peer) -> None:
        """Remove a peer."""
        position = self._positions.pop(peer)
        last = self._peers.pop()
        if last is not peer:
            self._peers[position] = last
            self._positions[last] = position

    def draw(self, count: int, rng: random.Random) -> list[Peer]:
        """Return `count` peers, or all if there are not many more, in random order."""
        peers = self._peers
        if len(peers) <= 2 * count:
            return sorted(peers, key=lambda _: rng.random())  # shuffle() takes five times as long
        return list(dict.fromkeys(rng.choices(peers, k=count)))


class SwarmPools:
    """One swarm's peers: seeds and leechers, and by network and country where they are known."""

    def __init__(self) -> None:
        self.seeds = Pool()
        self.leechers = Pool()
        self._near: dict[str, Pool] = {}
        """by network and by country; only names of networks contain a dot or a colon"""

    def add(self, peer: Peer) -> None:
        """Add a peer."""
        (self.seeds if peer.seed else self.leechers).add(peer)
        for name in (peer.location.network, peer.location.country):
            if name:
                self._near.setdefault(name, Pool()).add(peer)

    def remove(self, peer: Peer) -> None:
        """Remove a peer."""
        (self.seeds if peer.seed else self.leechers).remove(peer)
        for name in (peer.location.network, peer.location.country):
            if name:
                pool = self._near[name]
                pool.remove(peer)
                if not pool:
                    del self._near[name]

    def set_seed(self, peer: Peer, *, seed: bool) -> None:
        """Make a peer a seed, or a leecher."""
        (self.seeds if peer.seed else self.leechers).remove(peer)
        peer.seed = seed
        (self.seeds if seed else self.leechers).add(peer)

    def near(self, name: str) -> Sequence[Pool]:
        """Return the pool of a network or country, if it has any peers."""
        pool = self._near.get(name) if name else None
        return () if pool is None else (pool,)

    def anywhere(self, sender: Peer) -> Sequence[Pool]:
        """Return pools of all peers that can use an offer; seeds cannot use offers of seeds.

        They are drawn from by kind, because many of one kind would hide a few of the other.
        """
        return (self.leechers,) if sender.seed else (self.seeds, self.leechers)


def choose(sender: Peer, count: int, pools: SwarmPools, rng: random.Random) -> list[Peer]:
    """Return up to `count` peers to pass the sender's offers to.

    On average NEAR_SHARE of them come from its network and as many from its country, where there
    are any, and the others from anywhere. So a swarm does not fall apart into networks, not even
    one whose peers send one offer at a time.
    """
    count = min(count, ENOUGH_PARTNERS - len(sender.partners))
    if count <= 0:
        return []
    chosen: list[Peer] = []
    location = sender.location
    for name in (location.network, location.country):
        near = min(int(NEAR_SHARE * count + rng.random()), count - len(chosen))
        add_candidates(pools.near(name), sender, near, chosen, rng)
    add_candidates(pools.anywhere(sender), sender, count - len(chosen), chosen, rng)
    return chosen


def add_candidates(
    pools: Sequence[Pool], sender: Peer, count: int, chosen: list[Peer], rng: random.Random
) -> None:
    """Add up to `count` peers from some pools that can use an offer.

    In this order: peers that the sender has not been introduced to; then those that still answer
    offers; then seeds (two leechers of webtorrent that meet before they have the metadata never ask
    each other again); then the least busy; then any.
    """
    if count <= 0:
        return
    partners, met = sender.partners, sender.introduced
    limit = MAX_PARTNERS if len(partners) < FEW_PARTNERS else ENOUGH_PARTNERS
    ranked: list[tuple[int, Peer]] = []
    for pool in pools:
        for peer in pool.draw(EXTRA_SAMPLES + 2 * count, rng):
            if peer is sender or (peer.seed and sender.seed) or peer in partners or peer in chosen:
                continue
            rank = len(peer.partners) + peer.unanswered_offers
            if rank >= limit:
                continue
            # one number, because comparing tuples would be most of the work
            if not peer.seed:
                rank += _RANK_STEP
            if peer.received_offers >= peer.wanted_offers:
                rank += 2 * _RANK_STEP
            if peer.id in met:
                rank += 4 * _RANK_STEP
            ranked.append((rank, peer))
    ranked.sort(key=_rank)
    chosen.extend(peer for _, peer in ranked[:count])


def note_offer(sender: Peer, receiver: Peer) -> None:
    """Note that an offer of `sender` is passed to `receiver`."""
    receiver.received_offers += 1
    receiver.unanswered_offers += 1
    sender.note_introduction(receiver.id)
    receiver.note_introduction(sender.id)


def make_partners(answering: Peer, offering: Peer, now_s: float) -> bool:
    """Make two peers partners; return False if one has too many, or there was no offer."""
    if offering.id not in answering.introduced:
        return False
    answering.unanswered_offers = max(0, answering.unanswered_offers - 1)
    if offering in answering.partners:
        return True
    if max(len(answering.partners), len(offering.partners)) >= MAX_PARTNERS:
        return False
    answering.partners[offering] = now_s
    offering.partners[answering] = now_s
    return True
