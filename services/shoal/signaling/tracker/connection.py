"""`/ws`: what tracker clients say goes to the swarms, what these say to the clients' sockets."""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from time import monotonic

from picows import WSCloseCode
from prometheus_client import Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.signaling.access import Client
from shoal.signaling.tracker.matching import Connection, Whereabouts
from shoal.signaling.tracker.messages import (
    Announce,
    Announced,
    BadMessageError,
    Failure,
    InfoHash,
    RelayedAnswer,
    decode,
    encode,
)
from shoal.signaling.tracker.remote_peers import Relay, as_relay
from shoal.signaling.tracker.served_torrents import Admission, Pass
from shoal.signaling.tracker.swarms import Outgoing, Swarms
from shoal.signaling.websocket import Conversation, Socket

EXPIRY_INTERVAL_S = 10.0
UNHURRIED = (Announced, RelayedAnswer)

TRACKER_REFUSALS = Counter("shoal_tracker_refusals", "Refusals of the tracker, by code", ["code"])

WHY = {
    "token_missing": "this swarm needs a join token: /ws?token=… with that of /config.json",
    "token_invalid": "the join token is not one of this station",
    "token_expired": "the join token is too old: /config.json has a new one",
    "unknown_torrent": "this tracker serves the torrents of its own station alone",
}


class Tracker(Collector):
    """The swarms of one process and the sockets of their peers."""

    def __init__(self) -> None:
        self.swarms = Swarms()
        self.admission = Admission()
        self.admission.go_live([InfoHash(text) for text in info_hashes(SWARM_ID)])
        self._sockets: dict[Connection, Socket] = {}
        self._numbers = itertools.count(1)
        self.elsewhere: Callable[[Connection, Relay], None] | None = None
        """takes what is for a peer of another signaling process"""
        self._announces = self._answers = self._scrapes = 0
        """messages so far: a Counter would take a lock for each"""

    def converse(self, client: Client, shown: Pass, socket: Socket) -> "TrackerConversation":
        """Take a new socket in."""
        connection = self.new_connection()
        self._sockets[connection] = socket
        self.swarms.enter(connection, Whereabouts(client.network, client.country))
        return TrackerConversation(self, connection, socket, shown)

    def new_connection(self) -> Connection:
        """Return a connection that no other has been."""
        return Connection(next(self._numbers))

    def leave(self, connection: Connection) -> None:
        """Forget a socket and its peers."""
        del self._sockets[connection]
        self.swarms.leave(connection)

    def hear(self, connection: Connection, shown: Pass, message: bytes) -> None:
        """Let the swarms decide, and queue what they say; raises BadMessageError."""
        said = decode(message)
        if not isinstance(said, Announce):
            self._scrapes += 1
            self.send(self.swarms.scrape(connection, said, self.admission))
            return
        now_s = monotonic()
        if said.answers:
            self._answers += 1
        else:
            self._announces += 1
            code = self.admission.refusal(InfoHash(said.info_hash), shown, now_s)
            if code is not None:
                self._refuse(connection, said, code)
                return
        for outgoing in self.swarms.announce(connection, said, now_s):
            if isinstance(outgoing.message, Failure):
                TRACKER_REFUSALS.labels("announce").inc()
            self.send(outgoing)

    async def expire(self) -> None:
        """Forget who is silent, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL_S)
            self.swarms.expire(monotonic())
            self.admission.expire(monotonic())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of this moment."""
        yield GaugeMetricFamily("shoal_tracker_swarms", "Torrents with peers", len(self.swarms))
        yield GaugeMetricFamily("shoal_tracker_peers", "Peers of all torrents", self.swarms.peers)
        yield GaugeMetricFamily("shoal_tracker_sockets", "Tracker clients", len(self._sockets))
        heard = CounterMetricFamily(
            "shoal_tracker_messages", "Messages from tracker clients", labels=["type"]
        )
        heard.add_metric(["announce"], self._announces)
        heard.add_metric(["answer"], self._answers)
        heard.add_metric(["scrape"], self._scrapes)
        yield heard

    def _refuse(self, connection: Connection, said: Announce, code: str) -> None:
        TRACKER_REFUSALS.labels(code).inc()
        reason = f"{code}: {WHY[code]}"
        refusal = Failure(action="announce", info_hash=said.info_hash, reason=reason)
        self.send(Outgoing(connection, refusal))

    def send(self, outgoing: Outgoing) -> None:
        """Queue a message for a client, here or elsewhere."""
        socket = self._sockets.get(outgoing.to)
        if socket is not None:
            put = socket.put if outgoing.peer is None else socket.relay
            # a client hears several answers to its offers within a moment
            put(encode(outgoing.message), unhurried=isinstance(outgoing.message, UNHURRIED))
        elif self.elsewhere is not None and outgoing.peer is not None:
            relay = as_relay(outgoing.message, outgoing.peer)
            if relay is not None:
                self.elsewhere(outgoing.to, relay)


class TrackerConversation(Conversation):
    """One client."""

    __slots__ = ("_connection", "_shown", "_socket", "_tracker")

    def __init__(
        self, tracker: Tracker, connection: Connection, socket: Socket, shown: Pass
    ) -> None:
        self._tracker = tracker
        self._connection = connection
        self._socket = socket
        self._shown = shown

    def hear(self, message: bytes) -> None:
        """Pass a message on; what is none ends the socket."""
        try:
            self._tracker.hear(self._connection, self._shown, message)
        except BadMessageError as error:
            TRACKER_REFUSALS.labels("bad_message").inc()
            self._socket.end(WSCloseCode.POLICY_VIOLATION, f"bad_message: {error}")

    def over(self) -> None:
        """Leave."""
        self._tracker.leave(self._connection)
