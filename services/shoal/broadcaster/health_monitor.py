"""Checks the broadcaster's surroundings several times a second and reports problems."""

from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.metrics import SEGMENTS_LOST
from shoal.broadcaster.owncast_status import OwncastStatus
from shoal.problems import Problems

FAULT_GRACE_S = 1.0
"""a folder that is being recreated is not a problem yet"""
LOST_SHOWN_S = 60.0


class HealthMonitor:
    """Reports and clears problems according to the state of the parts."""

    def __init__(self, problems: Problems, watcher: HlsWatcher, owncast: OwncastStatus) -> None:
        self._problems = problems
        self._watcher = watcher
        self._owncast = owncast
        self._fault_since_s: float | None = None
        self._on_air_since_s: float | None = None
        self._lost = 0
        self._lost_at_s = 0.0

    def check_hls_folder(self, now_s: float) -> None:
        """Report a problem if Owncast's folder cannot be read."""
        if self._watcher.fault is None:
            self._fault_since_s = None
            self._problems.clear("hls_folder")
            return
        if self._fault_since_s is None:
            self._fault_since_s = now_s
        if now_s - self._fault_since_s >= FAULT_GRACE_S:
            self._problems.report("hls_folder", self._watcher.fault, "failing")

    def check_silence(
        self, now_s: float, published_at_s: float | None, allowed_s: float, *, storing: bool
    ) -> None:
        """Report a problem if Owncast is on air but nothing is published: never look healthy then.

        `storing`: whether the store works; if not, its own problem explains the silence.
        """
        listed = self._watcher.live
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
                reason = (
                    self._watcher.last_rejection or "no new one is listed: has its encoder died?"
                )
                on_air = "Owncast's playlist names a live stream"
            else:
                reason = f"does Owncast write to {self._watcher.path}?"
                on_air = "Owncast reports that it is online"
            self._problems.report(
                "no_segments",
                f"{on_air}, but no segment was published for {now_s - since_s:.0f} s; {reason}",
                "failing",
            )

    def check_lost(self, now_s: float) -> None:
        """Report segments that were gone before they could be read."""
        if self._watcher.lost > self._lost:
            SEGMENTS_LOST.inc(self._watcher.lost - self._lost)
            self._lost, self._lost_at_s = self._watcher.lost, now_s
            self._problems.report(
                "segments_lost",
                f"since the start, {self._lost} segments disappeared from Owncast's folder before"
                " they could be read: is this host too slow?",
                "degraded",
            )
        elif now_s - self._lost_at_s > LOST_SHOWN_S:
            self._problems.clear("segments_lost")

    def check_owncast(self, now_s: float) -> None:
        """Report what is wrong according to Owncast's own status."""
        self._report_or_clear("bypass", self._owncast.bypass_problem(now_s))
        self._report_or_clear("owncast", self._owncast.silence_problem(now_s))

    def check_seed(self, fault: str | None) -> None:
        """Report the fault of the torrent seed, if there is one."""
        self._report_or_clear("standby", fault and f"the torrent seed: {fault}")

    def check_signaling(self, fault: str | None) -> None:
        """Report the fault of the connection to signaling, if there is one."""
        self._report_or_clear("signaling", fault)

    def _report_or_clear(self, code: str, message: str | None) -> None:
        if message:
            self._problems.report(code, message, "degraded")
        else:
            self._problems.clear(code)
