"""The swarms: who shares which torrent, and who gets whose offers. Events in, messages out, no I/O.

A peer is in a swarm as long as its connection lasts and it announces in time. A peer id belongs to
the connection that announced it last, so a client that comes back takes its own place over. What
comes for a peer that is gone, or from one that never announced, is ignored: the sender of a late
answer has done nothing wrong.
"""

import math
import random
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from shoal.signaling.tracker.matching import (
    MOST_PARTNERS,
    Connection,
    Peer,
    Pools,
    Whereabouts,
    choose,
    introduce,
    pair,
)
from shoal.signaling.tracker.messages import (
    MAX_OFFERS,
    MAX_SCRAPED,
    Announce,
    Announced,
    Counts,
    Failure,
    InfoHash,
    PeerId,
    RelayedAnswer,
    RelayedOffer,
    Scrape,
    Scraped,
    ToClient,
    is_binary_20,
)
from shoal.signaling.tracker.remote_peers import Relay, SwarmPeer, as_message

ANNOUNCE_INTERVAL_S = 120
"""what wt-tracker and aquatic_ws ask for"""
SILENCE_LIMIT_S = 2 * ANNOUNCE_INTERVAL_S + 10.0
"""a peer that misses two announces has stopped without a word, as libtorrent does"""
DEFAULT_NUMWANT = 5
"""what webtorrent asks for"""
MAX_SWARMS = 10_000
MAX_PEERS_PER_SWARM = 50_000
MAX_SWARMS_PER_CONNECTION = 1_000
"""a broadcaster with four renditions seeds 240 and leaves 250 s worth of old ones behind"""
MAX_PEERS_PER_CONNECTION = 8
"""of one swarm: several players in one page share a socket; more would be a crowd of nobodies"""
NOWHERE = Whereabouts()
ALWAYS = math.inf

OnChange = Callable[[InfoHash, Peer, Literal["joined", "left"]], None]


class Outgoing(msgspec.Struct, frozen=True, gc=False):
    """A message for one connection."""

    to: Connection
    message: ToClient
    peer: PeerId | None = None
    """whom of that connection's peers a relayed message is for"""


class _Swarm:
    def __init__(self) -> None:
        self.peers: dict[PeerId, Peer] = {}
        self.pools = Pools()
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
        peer.begin()

    def set_seed(self, peer: Peer, *, seed: bool) -> bool:
        """Say whether that is news."""
        if seed == peer.seed:
            return False
        self.seeds += seed - peer.seed
        self.pools.set_seed(peer, seed=seed)
        return True


class Swarms:
    """All swarms of one tracker."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()
        self._swarms: dict[InfoHash, _Swarm] = {}
        self._joined: dict[Connection, set[tuple[InfoHash, PeerId]]] = {}
        self._whereabouts: dict[Connection, Whereabouts] = {}
        self._remote: set[Connection] = set()
        """other signaling processes"""
        self._peers = 0
        self.on_change: OnChange | None = None
        """called when a peer of this process comes, goes, or becomes a seed"""

    def __len__(self) -> int:
        return len(self._swarms)

    @property
    def peers(self) -> int:
        """Peers in all swarms; a client counts once for each torrent."""
        return self._peers

    def enter(self, connection: Connection, whereabouts: Whereabouts) -> None:
        """Note where a connection comes from."""
        self._whereabouts[connection] = whereabouts

    def announce(self, sender: Connection, said: Announce, now_s: float) -> list[Outgoing]:
        """Take an announce, or an answer to an offer; `now_s` is a monotonic clock."""
        info_hash, peer_id = InfoHash(said.info_hash), PeerId(said.peer_id)
        swarm = self._swarms.get(info_hash)
        peer = swarm.peers.get(peer_id) if swarm is not None else None
        if said.answers:
            return self._answer(sender, swarm, peer, said, now_s)
        if said.event == "stopped":
            if peer is not None and peer.connection == sender:
                self._remove(info_hash, peer)
            return [_announced(sender, info_hash, swarm or _Swarm())]
        if peer is None or peer.connection != sender:
            refusal = self._refusal(sender, said)
            if refusal:
                return [_refuse(sender, said, refusal)]
            where = self._whereabouts.get(sender, NOWHERE)
            swarm, peer = self._seat(sender, info_hash, peer_id, where, now_s)
            self._changed(info_hash, peer, "joined")
        assert swarm is not None  # a peer is in one
        if said.event == "started":
            peer.begin()
        peer.drop_old_partners(now_s)
        peer.announced_at_s = now_s
        peer.offered = peer.pending = 0
        peer.wants = DEFAULT_NUMWANT if said.numwant is None else said.numwant
        if swarm.set_seed(peer, seed=said.left == 0 or said.event == "completed"):
            self._changed(info_hash, peer, "joined")
        swarm.downloaded += said.event == "completed"
        messages = [_announced(sender, info_hash, swarm)]
        if said.offers:
            self._offer(swarm, info_hash, peer, said, messages)
        return messages

    def adopt(self, node: Connection, said: SwarmPeer, *, known_to_be_new: bool) -> None:
        """Seat a peer that is connected to another signaling process.

        One that is not `known_to_be_new` does not take the place of a peer of ours.
        """
        swarm = self._swarms.get(said.info_hash)
        peer = swarm.peers.get(said.peer_id) if swarm is not None else None
        if peer is not None and peer.connection != node:
            if not (known_to_be_new or peer.connection in self._remote):
                return
            peer = None
        if peer is None:
            self._remote.add(node)
            where = Whereabouts(said.network, said.country)
            swarm, peer = self._seat(node, said.info_hash, said.peer_id, where, ALWAYS)
            peer.wants = ALWAYS
        assert swarm is not None  # a peer is in one
        swarm.set_seed(peer, seed=said.seed)

    def abandon(self, node: Connection, info_hash: InfoHash, peer_id: PeerId) -> None:
        """Take out a peer that is no more connected to another signaling process."""
        if (info_hash, peer_id) in self._joined.get(node, ()):
            self._remove(info_hash, self._swarms[info_hash].peers[peer_id])

    def relayed(self, node: Connection, said: Relay, now_s: float) -> list[Outgoing]:
        """Pass on what another signaling process has for a peer of ours."""
        swarm = self._swarms.get(said.info_hash)
        receiver = swarm.peers.get(said.to) if swarm is not None else None
        if swarm is None or receiver is None or receiver.connection in self._remote:
            return []
        sender = swarm.peers.get(said.sender)
        if not said.answer:
            receiver.meet(said.sender)
        if sender is not None and sender.connection == node:
            if said.answer:
                if not pair(sender, receiver, now_s):
                    return []
            elif len(receiver.partners) + receiver.pending >= MOST_PARTNERS:
                return []
            else:
                introduce(sender, receiver)
        return [Outgoing(receiver.connection, as_message(said), receiver.id)]

    def carried_by(self, connection: Connection) -> set[tuple[InfoHash, PeerId]]:
        """Return the peers of a connection."""
        return set(self._joined.get(connection, ()))

    def own_peers(self) -> list[SwarmPeer]:
        """Return the peers of this process."""
        return [
            described(info_hash, peer)
            for info_hash, swarm in self._swarms.items()
            for peer in swarm.peers.values()
            if peer.connection not in self._remote
        ]

    def scrape(self, sender: Connection, said: Scrape, known: Iterable[InfoHash]) -> Outgoing:
        """Count the swarms that are asked for, or all `known` ones; an empty one counts as such."""
        asked = said.info_hash
        hashes = [asked] if isinstance(asked, str) else known if asked is None else asked
        files = {
            InfoHash(h): self._swarms[InfoHash(h)].counts() if h in self._swarms else Counts(0, 0)
            for h in list(hashes)[:MAX_SCRAPED]
            if is_binary_20(h)
        }
        return Outgoing(sender, Scraped(files=files))

    def leave(self, connection: Connection) -> None:
        """Forget a connection and every peer that it carried."""
        self._whereabouts.pop(connection, None)
        for info_hash, peer_id in tuple(self._joined.get(connection, ())):
            self._remove(info_hash, self._swarms[info_hash].peers[peer_id])
        self._remote.discard(connection)

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

    def _refusal(self, sender: Connection, said: Announce) -> str | None:
        if not is_binary_20(said.info_hash):
            return "info_hash must be 20 bytes"
        if not is_binary_20(said.peer_id):
            return "peer_id must be 20 bytes"
        swarm = self._swarms.get(InfoHash(said.info_hash))
        if swarm is None and len(self._swarms) >= MAX_SWARMS:
            return "the tracker holds no more torrents"
        if swarm is not None and len(swarm.peers) >= MAX_PEERS_PER_SWARM:
            return "the swarm is full"
        return self._connection_refusal(sender, InfoHash(said.info_hash))

    def _connection_refusal(self, sender: Connection, info_hash: InfoHash) -> str | None:
        joined = self._joined.get(sender, ())
        if len(joined) >= MAX_SWARMS_PER_CONNECTION:
            return "too many torrents on one connection"
        if sum(joined_hash == info_hash for joined_hash, _ in joined) >= MAX_PEERS_PER_CONNECTION:
            return "too many peers of one torrent on one connection"
        return None

    def _seat(
        self,
        connection: Connection,
        info_hash: InfoHash,
        peer_id: PeerId,
        where: Whereabouts,
        now_s: float,
    ) -> tuple[_Swarm, Peer]:
        """Put a peer into its swarm, in the place of one with its id."""
        before = self._swarms[info_hash].peers.get(peer_id) if info_hash in self._swarms else None
        if before is not None:
            self._remove(info_hash, before)
        swarm = self._swarms.setdefault(info_hash, _Swarm())
        peer = Peer(peer_id, connection, where, now_s, seed=False)
        swarm.add(peer)
        self._joined.setdefault(connection, set()).add((info_hash, peer_id))
        self._peers += 1
        return swarm, peer

    def _offer(
        self,
        swarm: _Swarm,
        info_hash: InfoHash,
        sender: Peer,
        said: Announce,
        messages: list[Outgoing],
    ) -> None:
        """Pass offers on, one to a peer."""
        offers = (said.offers or [])[:MAX_OFFERS]
        receivers = choose(sender, len(offers), swarm.pools, self._chance)
        for peer, offer in zip(receivers, offers, strict=False):
            introduce(sender, peer)
            relayed = RelayedOffer(
                info_hash=info_hash,
                peer_id=sender.id,
                offer_id=offer.offer_id,
                offer=offer.offer,
            )
            messages.append(Outgoing(peer.connection, relayed, peer.id))

    def _answer(
        self,
        sender: Connection,
        swarm: _Swarm | None,
        answering: Peer | None,
        said: Announce,
        now_s: float,
    ) -> list[Outgoing]:
        if swarm is None or answering is None or said.offer_id is None:
            return []
        offering = swarm.peers.get(PeerId(said.to_peer_id or ""))
        if offering is None or offering is answering or answering.connection != sender:
            return []
        if not pair(answering, offering, now_s):
            return []
        relayed = RelayedAnswer(
            info_hash=InfoHash(said.info_hash),
            peer_id=answering.id,
            offer_id=said.offer_id,
            answer=said.answer,
        )
        return [Outgoing(offering.connection, relayed, offering.id)]

    def _changed(self, info_hash: InfoHash, peer: Peer, what: Literal["joined", "left"]) -> None:
        if self.on_change is not None and peer.connection not in self._remote:
            self.on_change(info_hash, peer, what)

    def _remove(self, info_hash: InfoHash, peer: Peer) -> None:
        swarm = self._swarms[info_hash]
        swarm.remove(peer)
        self._peers -= 1
        self._changed(info_hash, peer, "left")
        if not swarm.peers:
            del self._swarms[info_hash]
        joined = self._joined[peer.connection]
        joined.discard((info_hash, peer.id))
        if not joined:
            del self._joined[peer.connection]


def described(info_hash: InfoHash, peer: Peer) -> SwarmPeer:
    """Return what other signaling processes are told of a peer."""
    where = peer.whereabouts
    return SwarmPeer(info_hash, peer.id, peer.seed, where.network, where.country)


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
