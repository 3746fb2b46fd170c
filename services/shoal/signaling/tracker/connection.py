"""`/ws`: connects the swarms with the WebSockets of tracker clients."""

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
from shoal.signaling.tracker.matching import ConnectionId, Location
from shoal.signaling.tracker.messages import (
    Announce,
    AnnounceResponse,
    BadMessageError,
    Failure,
    InfoHash,
    PeerAnswer,
    decode,
    encode,
)
from shoal.signaling.tracker.remote_peers import ForwardedDescription, to_forwarded
from shoal.signaling.tracker.served_torrents import Credentials, ServedTorrents
from shoal.signaling.tracker.swarms import Outgoing, Swarms
from shoal.signaling.websocket import Connection, WebSocket

EXPIRY_INTERVAL_S = 10.0
DELAYED_MESSAGES = (AnnounceResponse, PeerAnswer)

TRACKER_REFUSALS = Counter(
    "shoal_tracker_refusals", "Requests that the tracker refused, by code", ["code"]
)

REFUSAL_MESSAGES = {
    "token_missing": "this swarm requires a join token: /ws?token=… with the one in /config.json",
    "token_invalid": "the join token is not from this station",
    "token_expired": "the join token has expired: get a new one from /config.json",
    "unknown_torrent": "this tracker serves only the torrents of its own station",
}


class Tracker(Collector):
    """The swarms of one process, and the WebSockets of their peers."""

    def __init__(self) -> None:
        self.swarms = Swarms()
        self.served_torrents = ServedTorrents()
        self.served_torrents.add_live_swarms([InfoHash(text) for text in info_hashes(SWARM_ID)])
        self._websockets: dict[ConnectionId, WebSocket] = {}
        self._numbers = itertools.count(1)
        self.on_remote_message: Callable[[ConnectionId, ForwardedDescription], None] | None = None
        """called with messages for peers of other nodes"""
        self._announces = self._answers = self._scrapes = 0
        """messages so far: a Counter would take a lock for each"""

    def connect(
        self, client: Client, credentials: Credentials, websocket: WebSocket
    ) -> "TrackerConnection":
        """Register a WebSocket, and return its protocol handler."""
        connection_id = self.new_connection_id()
        self._websockets[connection_id] = websocket
        self.swarms.add_connection(connection_id, Location(client.network, client.country))
        return TrackerConnection(self, connection_id, websocket, credentials)

    def new_connection_id(self) -> ConnectionId:
        """Return a connection id that has not been used."""
        return ConnectionId(next(self._numbers))

    def leave(self, connection_id: ConnectionId) -> None:
        """Forget a connection and its peers."""
        del self._websockets[connection_id]
        self.swarms.remove_connection(connection_id)

    def receive(
        self, connection_id: ConnectionId, credentials: Credentials, message: bytes
    ) -> None:
        """Handle a message, and send what follows; raises BadMessageError."""
        received = decode(message)
        if not isinstance(received, Announce):
            self._scrapes += 1
            self.send(self.swarms.scrape(connection_id, received, self.served_torrents))
            return
        now_s = monotonic()
        if received.is_answer:
            self._answers += 1
        else:
            self._announces += 1
            code = self.served_torrents.refusal(InfoHash(received.info_hash), credentials, now_s)
            if code is not None:
                self._refuse(connection_id, received, code)
                return
        for outgoing in self.swarms.announce(connection_id, received, now_s):
            if isinstance(outgoing.message, Failure):
                TRACKER_REFUSALS.labels("announce").inc()
            self.send(outgoing)

    async def expire(self) -> None:
        """Forget silent peers, until cancelled."""
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL_S)
            self.swarms.expire(monotonic())
            self.served_torrents.expire(monotonic())

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        yield GaugeMetricFamily("shoal_tracker_swarms", "Torrents with peers", len(self.swarms))
        yield GaugeMetricFamily("shoal_tracker_peers", "Peers of all torrents", self.swarms.peers)
        yield GaugeMetricFamily("shoal_tracker_sockets", "Tracker clients", len(self._websockets))
        messages = CounterMetricFamily(
            "shoal_tracker_messages", "Messages from tracker clients", labels=["type"]
        )
        messages.add_metric(["announce"], self._announces)
        messages.add_metric(["answer"], self._answers)
        messages.add_metric(["scrape"], self._scrapes)
        yield messages

    def _refuse(self, connection_id: ConnectionId, announce: Announce, code: str) -> None:
        TRACKER_REFUSALS.labels(code).inc()
        reason = f"{code}: {REFUSAL_MESSAGES[code]}"
        refusal = Failure(action="announce", info_hash=announce.info_hash, reason=reason)
        self.send(Outgoing(connection_id, refusal))

    def send(self, outgoing: Outgoing) -> None:
        """Send a message to a client of this node, or pass it to the client's node."""
        websocket = self._websockets.get(outgoing.connection_id)
        if websocket is not None:
            send = websocket.send if outgoing.peer is None else websocket.send_droppable
            # a client gets several answers to its offers at nearly the same time
            send(encode(outgoing.message), delayed=isinstance(outgoing.message, DELAYED_MESSAGES))
        elif self.on_remote_message is not None and outgoing.peer is not None:
            forwarded = to_forwarded(outgoing.message, outgoing.peer)
            if forwarded is not None:
                self.on_remote_message(outgoing.connection_id, forwarded)


class TrackerConnection(Connection):
    """The protocol handler of one client."""

    __slots__ = ("_connection_id", "_credentials", "_tracker", "_websocket")

    def __init__(
        self,
        tracker: Tracker,
        connection_id: ConnectionId,
        websocket: WebSocket,
        credentials: Credentials,
    ) -> None:
        self._tracker = tracker
        self._connection_id = connection_id
        self._websocket = websocket
        self._credentials = credentials

    def on_message(self, message: bytes) -> None:
        """Handle a message; an invalid one closes the WebSocket."""
        try:
            self._tracker.receive(self._connection_id, self._credentials, message)
        except BadMessageError as error:
            TRACKER_REFUSALS.labels("bad_message").inc()
            self._websocket.close(WSCloseCode.POLICY_VIOLATION, f"bad_message: {error}")

    def on_closed(self) -> None:
        """Unregister the connection."""
        self._tracker.leave(self._connection_id)
