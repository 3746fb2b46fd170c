"""Who took what from the seed, and the log lines about it. Plain state, no I/O."""

from dataclasses import dataclass, field

PEER_LINGERS_S = 15.0
"""a peer counts until it has taken nothing for this long: viewers fetch a segment every few
seconds, over a connection that ends with the segment"""
LINE_INTERVAL_S = 10.0
MAX_PEERS = 10_000
"""peers beyond these are not told apart"""


@dataclass
class UploadLog:
    """Blocks that peers took. Peers are identified by their BitTorrent peer id."""

    uploaded_bytes: int = 0
    """since the start"""
    _seen_at_s: dict[bytes, float] = field(default_factory=dict[bytes, float])
    """by peer id, oldest first"""
    _line_bytes: int = 0
    _line_peers: set[bytes] = field(default_factory=set[bytes])

    def peers(self, now_s: float) -> int:
        """Return how many peers are being served."""
        self._drop_idle(now_s)
        return len(self._seen_at_s)

    def record(self, peer: bytes, name: str, size: int, now_s: float) -> str | None:
        """Note that a peer took `size` bytes of a segment; return a log line if it is new."""
        self._drop_idle(now_s)
        self.uploaded_bytes += size
        self._line_bytes += size
        known = self._seen_at_s.pop(peer, None) is not None
        if not known and len(self._seen_at_s) >= MAX_PEERS:
            return None
        self._seen_at_s[peer] = now_s
        self._line_peers.add(peer)
        if known:
            return None
        return f"👥 New peer connected to {name} (total: {len(self._seen_at_s)})"

    def summary(self) -> str | None:
        """Return a log line about the uploads since the last one; None when there were none."""
        if not self._line_bytes:
            return None
        kilobytes, peers = self._line_bytes / 1000, len(self._line_peers)
        self._line_bytes = 0
        self._line_peers.clear()
        plural = "" if peers == 1 else "s"
        return f"⬆️ Uploaded {kilobytes:.1f} KB via P2P to {peers} peer{plural}"

    def _drop_idle(self, now_s: float) -> None:
        for peer, seen_at_s in tuple(self._seen_at_s.items()):
            if now_s - seen_at_s <= PEER_LINGERS_S:
                break
            del self._seen_at_s[peer]
