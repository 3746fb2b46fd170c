"""The operator's lines about what viewers do in rooms. Plain state, no I/O."""

from dataclasses import dataclass

from shoal.announcements import Audience

LINE_INTERVAL_S = 10.0


@dataclass
class RoomLines:
    """Turns what signaling says of rooms into lines for the log."""

    _peers: int = 0
    _uploaded: int = 0
    _line_at_s: float = float("-inf")

    def said(self, audience: Audience, segment: str, now_s: float) -> list[str]:
        """Return the lines that are news; `segment` is the newest one's name.

        `now_s` is a monotonic clock, in seconds: uploads are summed up over ten of them.
        """
        lines: list[str] = []
        if audience.room_peers > self._peers:
            lines.append(f"👥 New peer connected to {segment} (total: {audience.room_peers})")
        self._peers = audience.room_peers
        if audience.uploaded < self._uploaded:
            self._uploaded = 0  # signaling was started anew
        sent = audience.uploaded - self._uploaded
        if sent and now_s - self._line_at_s >= LINE_INTERVAL_S:
            plural = "" if audience.linked == 1 else "s"
            lines.append(
                f"⬆️ Uploaded {sent / 1000:.1f} KB via P2P to {audience.linked} peer{plural}"
            )
            self._uploaded, self._line_at_s = audience.uploaded, now_s
        return lines
