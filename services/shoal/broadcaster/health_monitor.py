"""Looks again and again for what is wrong around the broadcaster, and says so."""

from shoal.broadcaster.hls_watcher import Folder
from shoal.broadcaster.metrics import SEGMENTS_LOST
from shoal.broadcaster.owncast_status import Owncast
from shoal.problems import Problems

FAULT_GRACE_S = 1.0
"""a folder that is being made again is no fault yet"""
LOST_SHOWN_S = 60.0


class Inspection:
    """Reports and clears problems by what the parts say of themselves."""

    def __init__(self, problems: Problems, folder: Folder, owncast: Owncast) -> None:
        self._problems = problems
        self._folder = folder
        self._owncast = owncast
        self._fault_since_s: float | None = None
        self._on_air_since_s: float | None = None
        self._lost = 0
        self._lost_at_s = 0.0

    def folder(self, now_s: float) -> None:
        """Look at Owncast's folder."""
        if self._folder.fault is None:
            self._fault_since_s = None
            self._problems.clear("hls_folder")
            return
        if self._fault_since_s is None:
            self._fault_since_s = now_s
        if now_s - self._fault_since_s >= FAULT_GRACE_S:
            self._problems.report("hls_folder", self._folder.fault, "failing")

    def silence(
        self, now_s: float, published_at_s: float | None, allowed_s: float, *, storing: bool
    ) -> None:
        """Owncast is on air and nothing of it is published: never look healthy then.

        `storing`: the store takes segments; else its own problem says why there are none.
        """
        listed = self._folder.live
        if not listed and not self._owncast.online:
            self._on_air_since_s = None
            self._problems.clear("no_segments")
            return
        if self._on_air_since_s is None:
            self._on_air_since_s = now_s
        since_s = max(self._on_air_since_s, published_at_s or 0.0)
        if now_s - since_s < allowed_s:
            self._problems.clear("no_segments")
        elif storing:
            if listed:
                reason = self._folder.refused or "no new one is listed: has its encoder died?"
                on_air = "Owncast's playlist names a live stream"
            else:
                reason = f"is {self._folder.path} the folder that Owncast writes?"
                on_air = "Owncast says that it is online"
            self._problems.report(
                "no_segments",
                f"{on_air}, but no segment was published for {now_s - since_s:.0f} s; {reason}",
                "failing",
            )

    def lost(self, now_s: float) -> None:
        """Look for segments that were gone before they were read."""
        if self._folder.lost > self._lost:
            SEGMENTS_LOST.inc(self._folder.lost - self._lost)
            self._lost, self._lost_at_s = self._folder.lost, now_s
            self._problems.report(
                "segments_lost",
                f"{self._lost} segments since the start were gone from Owncast's folder before"
                " they could be read: is this host too slow?",
                "degraded",
            )
        elif now_s - self._lost_at_s > LOST_SHOWN_S:
            self._problems.clear("segments_lost")

    def owncast(self, now_s: float) -> None:
        """Look at what Owncast says of itself."""
        self._say("bypass", self._owncast.bypass(now_s))
        self._say("owncast", self._owncast.silence(now_s))

    def standby(self, fault: str | None) -> None:
        """Take note of how the torrent seed is."""
        self._say("standby", fault and f"the torrent seed: {fault}")

    def signaling(self, fault: str | None) -> None:
        """Take note of how the connection to signaling is."""
        self._say("signaling", fault)

    def _say(self, code: str, message: str | None) -> None:
        if message:
            self._problems.report(code, message, "degraded")
        else:
            self._problems.clear(code)
