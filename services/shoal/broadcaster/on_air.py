"""Whether the station is live: asked for, never stored, so that it is true when it is announced."""

import time
from datetime import datetime

from shoal.broadcaster.hls_watcher import HlsWatcher
from shoal.broadcaster.pipeline import Pipeline
from shoal.broadcaster.timeline import Timeline

SILENCE_TARGET_DURATIONS = 3
MIN_SILENCE_S = 15.0


class OnAir:
    """Reads Owncast's folder, the pipeline and the timeline."""

    def __init__(self, watcher: HlsWatcher, pipeline: Pipeline, timeline: Timeline) -> None:
        self._watcher = watcher
        self._pipeline = pipeline
        self._timeline = timeline

    @property
    def live(self) -> bool:
        """Whether Owncast writes a stream and segments of it are published.

        Owncast marks the end of a stream; if it dies there is no mark, but segments stop.
        """
        age_s = self.segment_age_s()
        return self._watcher.live and age_s is not None and age_s < self.allowed_silence_s

    @property
    def allowed_silence_s(self) -> float:
        """How long a live stream may go without a new segment."""
        return max(MIN_SILENCE_S, SILENCE_TARGET_DURATIONS * self._timeline.target_duration)

    def segment_age_s(self) -> float | None:
        """Return the seconds since a segment was published; None before the first."""
        if self._pipeline.published_at_s is not None:
            return time.monotonic() - self._pipeline.published_at_s
        newest = [w.entries[-1] for w in self._timeline.windows.values() if w.entries]
        ends = [
            datetime.fromisoformat(entry.descriptor.program_date_time).timestamp() + entry.duration
            for entry in newest
            if entry.descriptor is not None and entry.descriptor.program_date_time
        ]
        return max(0.0, time.time() - max(ends)) if ends else None
