"""Log lines for the operator about viewers in rooms. Plain state, no I/O."""

from dataclasses import dataclass

from shoal.announcements import Audience

LINE_INTERVAL_S = 10.0


@dataclass
class ViewerLog:
    """Turns signaling's reports about rooms into log lines."""

    _peers: int = 0
    _uploaded: int = 0
    _uploads_logged_at_s: float = float("-inf")

    def lines(self, audience: Audience, newest_segment: str, now_s: float) -> list[str]:
        """Return the lines for what is new in a report.

        `newest_segment` is a file name; `now_s` is a monotonic clock, in seconds: uploads are
        summed up over ten seconds.
        """
        lines: list[str] = []
        if audience.room_peers > self._peers:
            lines.append(
                f"👥 New peer connected to {newest_segment} (total: {audience.room_peers})"
            )
        self._peers = audience.room_peers
        if audience.uploaded < self._uploaded:
            self._uploaded = 0  # signaling was restarted
        sent = audience.uploaded - self._uploaded
        if sent and now_s - self._uploads_logged_at_s >= LINE_INTERVAL_S:
            plural = "" if audience.linked == 1 else "s"
            lines.append(
                f"⬆️ Uploaded {sent / 1000:.1f} KB via P2P to {audience.linked} peer{plural}"
            )
            self._uploaded, self._uploads_logged_at_s = audience.uploaded, now_s
        return lines
