"""The swarms: who shares which torrent, and who gets whose offers. Events in, messages out, no I/O.

A peer is in a swarm as long as its connection lasts and it announces in time. A peer id belongs to
the connection that announced it last, so a client that reconnects takes over its own place.
Messages to a peer that has left, or from one that never announced, are ignored: the sender of a
late answer has done nothing wrong.
"""

import math
import random
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from shoal.signaling.tracker.matching import (
    MAX_PARTNERS,
    ConnectionId,
    Location,
    Peer,
    SwarmPools,
    choose,
    make_partners,
    note_offer,
)
from shoal.signaling.tracker.messages import (
    MAX_OFFERS,
    MAX_SCRAPED,
    Announce,
    AnnounceResponse,
    Counts,
    Failure,
    InfoHash,
    PeerAnswer,
    PeerId,
    PeerOffer,
    Scrape,
    ScrapeResponse,
    ToClient,
    is_binary_20,
)
from shoal.signaling.tracker.remote_peers import ForwardedDescription, SwarmPeer, to_client_message

ANNOUNCE_INTERVAL_S = 120
"""what wt-tracker and aquatic_ws ask for"""
SILENCE_LIMIT_S = 2 * ANNOUNCE_INTERVAL_S + 10.0
"""a peer that misses two announces has stopped without saying so, as libtorrent does"""
DEFAULT_NUMWANT = 5
"""what webtorrent asks for"""
MAX_SWARMS = 10_000
MAX_PEERS_PER_SWARM = 50_000
MAX_SWARMS_PER_CONNECTION = 1_000
"""a broadcaster with four variants seeds 240, and leaves behind old ones of 250 s"""
MAX_PEERS_PER_CONNECTION = 8
"""of one swarm: several players in a page share a socket; more would be made up"""
UNKNOWN_LOCATION = Location()
NEVER_EXPIRES = math.inf

OnChange = Callable[[InfoHash, Peer, Literal["joined", "left"]], None]


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message for one connection."""

    connection_id: ConnectionId
    message: ToClient
    peer: PeerId | None = None
    """the peer of that connection to which the message is forwarded"""


class _Swarm:
    def __init__(self) -> None:
        self.peers: dict[PeerId, Peer] = {}
        self.pools = SwarmPools()
        self.seeds = 0
        self.downloaded = 0
        """`completed` events so far"""

    def counts(self) -> Counts:
        return Counts(self.seeds, len(self.peers) - self.seeds, self.downloaded)

    def add(self, peer: Peer) -> None:
        self.peers[peer.id] = peer
        self.pools.add(peer)
        self.seeds += peer.seed

    def remove(self, peer: Peer) -> None:
        del self.peers[peer.id]
        self.pools.remove(peer)
        self.seeds -= peer.seed
        peer.drop_partners()

    def set_seed(self, peer: Peer, *, seed: bool) -> bool:
        """Make a peer a seed or a leecher; return whether it changed."""
        if seed == peer.seed:
            return False
        self.seeds += seed - peer.seed
        self.pools.set_seed(peer, seed=seed)
        return True


class Swarms:
    """All swarms of one tracker."""

    def __init__(self, rng: random.Random | None = None) -> None:
        self._rng = rng or random.Random()
        self._swarms: dict[InfoHash, _Swarm] = {}
        self._joined: dict[ConnectionId, set[tuple[InfoHash, PeerId]]] = {}
        self._locations: dict[ConnectionId, Location] = {}
        self._node_connections: set[ConnectionId] = set()
        """connections that stand for other nodes"""
        self._peers = 0
        self.on_change: OnChange | None = None
        """called when a local peer joins, leaves, or becomes a seed"""

    def __len__(self) -> int:
        return len(self._swarms)

    @property
    def peers(self) -> int:
        """Peers in all swarms; a client counts once for each torrent."""
        return self._peers

    def add_connection(self, connection_id: ConnectionId, location: Location) -> None:
        """Note the location of a connection."""
        self._locations[connection_id] = location

    def announce(self, sender: ConnectionId, announce: Announce, now_s: float) -> list[Outgoing]:
        """Handle an announce, or an answer to an offer; `now_s` is a monotonic clock."""
        info_hash, peer_id = InfoHash(announce.info_hash), PeerId(announce.peer_id)
        swarm = self._swarms.get(info_hash)
        peer = swarm.peers.get(peer_id) if swarm is not None else None
        if announce.is_answer:
            return self._forward_answer(sender, swarm, peer, announce, now_s)
        if announce.event == "stopped":
            if peer is not None and peer.connection_id == sender:
                self._remove_peer(info_hash, peer)
            return [_announce_response(sender, info_hash, swarm or _Swarm())]
        if peer is None or peer.connection_id != sender:
            refusal = self._refusal(sender, announce)
            if refusal:
                return [_refuse(sender, announce, refusal)]
            location = self._locations.get(sender, UNKNOWN_LOCATION)
            swarm, peer = self._add_peer(sender, info_hash, peer_id, location, now_s)
            self._notify(info_hash, peer, "joined")
        assert swarm is not None  # a peer is always in a swarm
        if announce.event == "started":
            peer.drop_partners()
        peer.drop_old_partners(now_s)
        peer.announced_at_s = now_s
        peer.received_offers = peer.unanswered_offers = 0
        peer.wanted_offers = DEFAULT_NUMWANT if announce.numwant is None else announce.numwant
        if swarm.set_seed(peer, seed=announce.left == 0 or announce.event == "completed"):
            self._notify(info_hash, peer, "joined")
        swarm.downloaded += announce.event == "completed"
        messages = [_announce_response(sender, info_hash, swarm)]
        if announce.offers:
            self._forward_offers(swarm, info_hash, peer, announce, messages)
        return messages

    def add_remote_peer(
        self, node_connection: ConnectionId, remote_peer: SwarmPeer, *, is_new: bool
    ) -> None:
        """Add a peer that is connected to another node.

        Unless it `is_new`, it does not replace a local peer.
        """
        swarm = self._swarms.get(remote_peer.info_hash)
        peer = swarm.peers.get(remote_peer.peer_id) if swarm is not None else None
        if peer is not None and peer.connection_id != node_connection:
            if not (is_new or peer.connection_id in self._node_connections):
                return
            peer = None
        if peer is None:
            self._node_connections.add(node_connection)
            location = Location(remote_peer.network, remote_peer.country)
            swarm, peer = self._add_peer(
                node_connection, remote_peer.info_hash, remote_peer.peer_id, location, NEVER_EXPIRES
            )
            peer.wanted_offers = NEVER_EXPIRES
        assert swarm is not None  # a peer is always in a swarm
        swarm.set_seed(peer, seed=remote_peer.seed)

    def remove_remote_peer(
        self, node_connection: ConnectionId, info_hash: InfoHash, peer_id: PeerId
    ) -> None:
        """Remove a peer that is no longer connected to another node."""
        if (info_hash, peer_id) in self._joined.get(node_connection, ()):
            self._remove_peer(info_hash, self._swarms[info_hash].peers[peer_id])

    def receive_forwarded(
        self, node_connection: ConnectionId, forwarded: ForwardedDescription, now_s: float
    ) -> list[Outgoing]:
        """Return an offer or answer of another node for the local peer it is addressed to."""
        swarm = self._swarms.get(forwarded.info_hash)
        receiver = swarm.peers.get(forwarded.to) if swarm is not None else None
        if swarm is None or receiver is None or receiver.connection_id in self._node_connections:
            return []
        sender = swarm.peers.get(forwarded.sender)
        if not forwarded.answer:
            receiver.note_introduction(forwarded.sender)
        if sender is not None and sender.connection_id == node_connection:
            if forwarded.answer:
                if not make_partners(sender, receiver, now_s):
                    return []
            elif len(receiver.partners) + receiver.unanswered_offers >= MAX_PARTNERS:
                return []
            else:
                note_offer(sender, receiver)
        return [Outgoing(receiver.connection_id, to_client_message(forwarded), receiver.id)]

    def peers_of(self, connection_id: ConnectionId) -> set[tuple[InfoHash, PeerId]]:
        """Return the peers of a connection."""
        return set(self._joined.get(connection_id, ()))

    def local_peers(self) -> list[SwarmPeer]:
        """Return the peers of this node."""
        return [
            describe_peer(info_hash, peer)
            for info_hash, swarm in self._swarms.items()
            for peer in swarm.peers.values()
            if peer.connection_id not in self._node_connections
        ]

    def scrape(self, sender: ConnectionId, scrape: Scrape, served: Iterable[InfoHash]) -> Outgoing:
        """Count the requested swarms, by default all `served` ones; unknown ones are empty."""
        asked = scrape.info_hash
        hashes = [asked] if isinstance(asked, str) else served if asked is None else asked
        files = {
            InfoHash(h): self._swarms[InfoHash(h)].counts() if h in self._swarms else Counts(0, 0)
            for h in list(hashes)[:MAX_SCRAPED]
            if is_binary_20(h)
        }
        return Outgoing(sender, ScrapeResponse(files=files))

    def remove_connection(self, connection_id: ConnectionId) -> None:
        """Forget a connection and all its peers."""
        self._locations.pop(connection_id, None)
        for info_hash, peer_id in tuple(self._joined.get(connection_id, ())):
            self._remove_peer(info_hash, self._swarms[info_hash].peers[peer_id])
        self._node_connections.discard(connection_id)

    def expire(self, now_s: float) -> None:
        """Forget the peers that have not announced for SILENCE_LIMIT_S."""
        silent = [
            (info_hash, peer)
            for info_hash, swarm in self._swarms.items()
            for peer in swarm.peers.values()
            if now_s - peer.announced_at_s > SILENCE_LIMIT_S
        ]
        for info_hash, peer in silent:
            self._remove_peer(info_hash, peer)

    def _refusal(self, sender: ConnectionId, announce: Announce) -> str | None:
        if not is_binary_20(announce.info_hash):
            return "info_hash must be 20 bytes"
        if not is_binary_20(announce.peer_id):
            return "peer_id must be 20 bytes"
        swarm = self._swarms.get(InfoHash(announce.info_hash))
        if swarm is None and len(self._swarms) >= MAX_SWARMS:
            return "the tracker has too many torrents"
        if swarm is not None and len(swarm.peers) >= MAX_PEERS_PER_SWARM:
            return "the swarm is full"
        return self._connection_refusal(sender, InfoHash(announce.info_hash))

    def _connection_refusal(self, sender: ConnectionId, info_hash: InfoHash) -> str | None:
        joined = self._joined.get(sender, ())
        if len(joined) >= MAX_SWARMS_PER_CONNECTION:
            return "too many torrents on one connection"
        if sum(joined_hash == info_hash for joined_hash, _ in joined) >= MAX_PEERS_PER_CONNECTION:
            return "too many peers of one torrent on one connection"
        return None

    def _add_peer(
        self,
        connection_id: ConnectionId,
        info_hash: InfoHash,
        peer_id: PeerId,
        location: Location,
        now_s: float,
    ) -> tuple[_Swarm, Peer]:
        """Add a peer to its swarm, in place of one with the same id."""
        previous = self._swarms[info_hash].peers.get(peer_id) if info_hash in self._swarms else None
        if previous is not None:
            self._remove_peer(info_hash, previous)
        swarm = self._swarms.setdefault(info_hash, _Swarm())
        peer = Peer(peer_id, connection_id, location, now_s, seed=False)
        swarm.add(peer)
        self._joined.setdefault(connection_id, set()).add((info_hash, peer_id))
        self._peers += 1
        return swarm, peer

    def _forward_offers(
        self,
        swarm: _Swarm,
        info_hash: InfoHash,
        sender: Peer,
        announce: Announce,
        messages: list[Outgoing],
    ) -> None:
        """Pass offers on, one to each peer."""
        offers = (announce.offers or [])[:MAX_OFFERS]
        receivers = choose(sender, len(offers), swarm.pools, self._rng)
        for peer, offer in zip(receivers, offers, strict=False):
            note_offer(sender, peer)
            message = PeerOffer(
                info_hash=info_hash,
                peer_id=sender.id,
                offer_id=offer.offer_id,
                offer=offer.offer,
            )
            messages.append(Outgoing(peer.connection_id, message, peer.id))

    def _forward_answer(
        self,
        sender: ConnectionId,
        swarm: _Swarm | None,
        answering: Peer | None,
        announce: Announce,
        now_s: float,
    ) -> list[Outgoing]:
        if swarm is None or answering is None or announce.offer_id is None:
            return []
        offering = swarm.peers.get(PeerId(announce.to_peer_id or ""))
        if offering is None or offering is answering or answering.connection_id != sender:
            return []
        if not make_partners(answering, offering, now_s):
            return []
        message = PeerAnswer(
            info_hash=InfoHash(announce.info_hash),
            peer_id=answering.id,
            offer_id=announce.offer_id,
            answer=announce.answer,
        )
        return [Outgoing(offering.connection_id, message, offering.id)]

    def _notify(self, info_hash: InfoHash, peer: Peer, change: Literal["joined", "left"]) -> None:
        if self.on_change is not None and peer.connection_id not in self._node_connections:
            self.on_change(info_hash, peer, change)

    def _remove_peer(self, info_hash: InfoHash, peer: Peer) -> None:
        swarm = self._swarms[info_hash]
        swarm.remove(peer)
        self._peers -= 1
        self._notify(info_hash, peer, "left")
        if not swarm.peers:
            del self._swarms[info_hash]
        joined = self._joined[peer.connection_id]
        joined.discard((info_hash, peer.id))
        if not joined:
            del self._joined[peer.connection_id]


def describe_peer(info_hash: InfoHash, peer: Peer) -> SwarmPeer:
    """Return the description of a peer for other nodes."""
    where = peer.location
    return SwarmPeer(info_hash, peer.id, peer.seed, where.network, where.country)


def _announce_response(connection_id: ConnectionId, info_hash: InfoHash, swarm: _Swarm) -> Outgoing:
    counts = swarm.counts()
    reply = AnnounceResponse(
        info_hash=info_hash,
        interval=ANNOUNCE_INTERVAL_S,
        complete=counts.complete,
        incomplete=counts.incomplete,
    )
    return Outgoing(connection_id, reply)


def _refuse(connection_id: ConnectionId, announce: Announce, reason: str) -> Outgoing:
    return Outgoing(
        connection_id, Failure(action="announce", info_hash=announce.info_hash, reason=reason)
    )
