"""The swarms: who shares which torrent, and who gets whose offers. Events in, messages out, no I/O.

A peer is in a swarm as long as its connection lasts and it announces in time. A peer id belongs to
the connection that announced it last, so a client that comes back takes its own place over. What
comes for a peer that is gone, or from one that never announced, is ignored: the sender of a late
answer has done nothing wrong.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NewType

from shoal.signaling.tracker.messages import (
    MAX_OFFERS,
    MAX_SCRAPED,
    Announce,
    Announced,
    Counts,
    Failure,
    InfoHash,
    Offer,
    PeerId,
    RelayedAnswer,
    RelayedOffer,
    Scrape,
    Scraped,
    ToClient,
    is_binary_20,
)

ANNOUNCE_INTERVAL_S = 120
"""what wt-tracker and aquatic_ws ask for"""
SILENCE_LIMIT_S = 2 * ANNOUNCE_INTERVAL_S + 10.0
"""a peer that misses two announces has stopped without a word, as libtorrent does"""
DEFAULT_NUMWANT = 5
"""what webtorrent asks for"""
MAX_MET = 200
"""then a peer meets everybody anew"""
MAX_SWARMS = 10_000
MAX_PEERS_PER_SWARM = 10_000
MAX_SWARMS_PER_CONNECTION = 1_000
"""a broadcaster with four renditions seeds 240 and leaves 250 s worth of old ones behind"""

Connection = NewType("Connection", int)
"""one client's socket, which may carry any number of torrents"""


@dataclass(frozen=True)
class Outgoing:
    """A message for one connection."""

    to: Connection
    message: ToClient


@dataclass(slots=True)
class _Peer:
    id: PeerId
    connection: Connection
    announced_at_s: float
    seed: bool
    wants: float = 0
    """offers that it answers until its next announce: libtorrent drops the rest"""
    offered: int = 0
    """offers passed to it since its last announce"""
    met: set[PeerId] = field(default_factory=set[PeerId])
    """peers that an offer was exchanged with"""


@dataclass
class _Swarm:
    peers: dict[PeerId, _Peer] = field(default_factory=dict[PeerId, _Peer])
    downloaded: int = 0
    """`completed` events so far"""

    def counts(self) -> Counts:
        seeds = sum(peer.seed for peer in self.peers.values())
        return Counts(seeds, len(self.peers) - seeds, self.downloaded)


class Swarms:
    """All swarms of one tracker."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()
        self._swarms: dict[InfoHash, _Swarm] = {}
        self._joined: dict[Connection, set[tuple[InfoHash, PeerId]]] = {}

    def __len__(self) -> int:
        return len(self._swarms)

    @property
    def peers(self) -> int:
        """Peers in all swarms; a client counts once for each torrent."""
        return sum(len(joined) for joined in self._joined.values())

    def announce(self, sender: Connection, said: Announce, now_s: float) -> list[Outgoing]:
        """Take an announce, or an answer to an offer; `now_s` is a monotonic clock."""
        if not is_binary_20(said.info_hash):
            return [_refuse(sender, said, "info_hash must be 20 bytes")]
        if not is_binary_20(said.peer_id):
            return [_refuse(sender, said, "peer_id must be 20 bytes")]
        info_hash, peer_id = InfoHash(said.info_hash), PeerId(said.peer_id)
        if said.answers:
            return self._answer(sender, info_hash, peer_id, said)
        if said.event == "stopped":
            swarm = self._swarms.get(info_hash, _Swarm())
            if (peer := swarm.peers.get(peer_id)) and peer.connection == sender:
                self._remove(info_hash, peer)
            return [_announced(sender, info_hash, swarm)]
        refusal = self._no_room(sender, info_hash, peer_id)
        if refusal:
            return [_refuse(sender, said, refusal)]
        swarm, peer = self._seat(sender, info_hash, peer_id, now_s)
        peer.wants = DEFAULT_NUMWANT if said.numwant is None else said.numwant
        peer.seed = said.left == 0 or said.event == "completed"
        swarm.downloaded += said.event == "completed"
        offers = (said.offers or [])[:MAX_OFFERS]
        return [
            _announced(sender, info_hash, swarm),
            *self._offer(swarm, info_hash, peer, offers),
        ]

    def scrape(self, sender: Connection, said: Scrape) -> list[Outgoing]:
        """Count the swarms that are asked for; one that nobody is in counts as empty."""
        hashes = [said.info_hash] if isinstance(said.info_hash, str) else said.info_hash
        files = {
            InfoHash(h): self._swarms.get(InfoHash(h), _Swarm()).counts()
            for h in hashes[:MAX_SCRAPED]
            if is_binary_20(h)
        }
        return [Outgoing(sender, Scraped(files=files))]

    def leave(self, connection: Connection) -> None:
        """Forget a connection and every peer that it carried."""
        for info_hash, peer_id in tuple(self._joined.get(connection, ())):
            self._remove(info_hash, self._swarms[info_hash].peers[peer_id])

    def expire(self, now_s: float) -> None:
        """Forget the peers that have not announced for SILENCE_LIMIT_S."""
        silent = [
            (info_hash, peer)
            for info_hash, swarm in self._swarms.items()
            for peer in swarm.peers.values()
            if now_s - peer.announced_at_s > SILENCE_LIMIT_S
        ]
        for info_hash, peer in silent:
            self._remove(info_hash, peer)

    def _no_room(self, sender: Connection, info_hash: InfoHash, peer_id: PeerId) -> str | None:
        if (info_hash, peer_id) in self._joined.get(sender, ()):
            return None
        swarm = self._swarms.get(info_hash)
        if swarm is None and len(self._swarms) >= MAX_SWARMS:
            return "the tracker holds no more torrents"
        if swarm is not None and len(swarm.peers) >= MAX_PEERS_PER_SWARM:
            return "the swarm is full"
        if len(self._joined.get(sender, ())) >= MAX_SWARMS_PER_CONNECTION:
            return "too many torrents on one connection"
        return None

    def _seat(
        self, sender: Connection, info_hash: InfoHash, peer_id: PeerId, now_s: float
    ) -> tuple[_Swarm, _Peer]:
        """Put a peer into its swarm, or note that it is still there."""
        before = self._swarms[info_hash].peers.get(peer_id) if info_hash in self._swarms else None
        if before is not None and before.connection != sender:
            self._remove(info_hash, before)
            before = None
        swarm = self._swarms.setdefault(info_hash, _Swarm())
        if before is None:
            before = swarm.peers[peer_id] = _Peer(peer_id, sender, now_s, seed=False)
            self._joined.setdefault(sender, set()).add((info_hash, peer_id))
        before.announced_at_s = now_s
        before.offered = 0
        return swarm, before

    def _offer(
        self, swarm: _Swarm, info_hash: InfoHash, sender: _Peer, offers: Sequence[Offer]
    ) -> list[Outgoing]:
        """Pass offers on, one to a peer.

        First come peers that the sender has not met, of those the ones that still answer offers, of
        those the seeds (of two leechers that meet before they have the metadata, webtorrent's never
        ask each other again), of those the ones with the fewest offers, and of those anyone.
        """
        others = [
            peer
            for peer in swarm.peers.values()
            if peer is not sender and not (peer.seed and sender.seed)
        ]
        self._chance.shuffle(others)
        others.sort(
            key=lambda peer: (
                peer.id in sender.met,
                peer.offered >= peer.wants,
                not peer.seed,
                peer.offered,
            )
        )
        messages: list[Outgoing] = []
        for peer, offer in zip(others, offers, strict=False):
            peer.offered += 1
            _introduce(sender, peer)
            _introduce(peer, sender)
            relayed = RelayedOffer(
                info_hash=info_hash,
                peer_id=sender.id,
                offer_id=offer.offer_id,
                offer=offer.offer,
            )
            messages.append(Outgoing(peer.connection, relayed))
        return messages

    def _answer(
        self, sender: Connection, info_hash: InfoHash, peer_id: PeerId, said: Announce
    ) -> list[Outgoing]:
        swarm = self._swarms.get(info_hash)
        if swarm is None or said.offer_id is None:
            return []
        answering = swarm.peers.get(peer_id)
        offering = swarm.peers.get(PeerId(said.to_peer_id or ""))
        if answering is None or offering is None or answering.connection != sender:
            return []
        relayed = RelayedAnswer(
            info_hash=info_hash, peer_id=peer_id, offer_id=said.offer_id, answer=said.answer
        )
        return [Outgoing(offering.connection, relayed)]

    def _remove(self, info_hash: InfoHash, peer: _Peer) -> None:
        swarm = self._swarms[info_hash]
        del swarm.peers[peer.id]
        if not swarm.peers:
            del self._swarms[info_hash]
        joined = self._joined[peer.connection]
        joined.discard((info_hash, peer.id))
        if not joined:
            del self._joined[peer.connection]


def _introduce(peer: _Peer, other: _Peer) -> None:
    if len(peer.met) >= MAX_MET:
        peer.met.clear()
    peer.met.add(other.id)


def _announced(to: Connection, info_hash: InfoHash, swarm: _Swarm) -> Outgoing:
    counts = swarm.counts()
    reply = Announced(
        info_hash=info_hash,
        interval=ANNOUNCE_INTERVAL_S,
        complete=counts.complete,
        incomplete=counts.incomplete,
    )
    return Outgoing(to, reply)


def _refuse(to: Connection, said: Announce, reason: str) -> Outgoing:
    return Outgoing(to, Failure(action="announce", info_hash=said.info_hash, reason=reason))
