"""What the report says of the last 24 hours."""

from datetime import UTC, datetime

import msgspec

from shoal.station import BytesBySource, HistoryColumns, share

HOUR_S = 3600


class LastDay(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of `/api/history`, summed up. Steps that signaling slept over count nothing."""

    since: str
    """the first row's time, ISO 8601, UTC: at most 24 hours ago, later after a restart"""
    share: float | None
    """peers' part, 0 to 1, start-up apart; null while nothing was received"""
    share_last_hour: float | None
    peak_viewers: int
    peak_at: str
    """when there were that many for the first time, ISO 8601, UTC"""
    stalls: int


def last_day(history: HistoryColumns) -> LastDay | None:
    """Sum up the rows; None while there are none."""
    if not history.at:
        return None
    viewers = [0 if count is None else count for count in history.viewers]
    peak = max(viewers)
    an_hour_ago = history.at[-1] - HOUR_S
    last_hour = sum(at > an_hour_ago for at in history.at)
    return LastDay(
        since=_iso(history.at[0]),
        share=_share(history, len(history.at)),
        share_last_hour=_share(history, last_hour),
        peak_viewers=peak,
        peak_at=_iso(history.at[viewers.index(peak)]),
        stalls=_sum(history.stalls, len(history.at)),
    )


def _share(history: HistoryColumns, rows: int) -> float | None:
    """Return the share of the newest `rows`."""
    received = BytesBySource(
        _sum(history.p2p, rows), _sum(history.store, rows), _sum(history.seed, rows)
    )
    startup_p2p = _sum(history.startup_p2p, rows)
    rest = _sum(history.startup, rows) - startup_p2p  # which of the two others does not matter
    return share(received, BytesBySource(p2p=startup_p2p, store=rest))


def _sum(column: list[int | None], rows: int) -> int:
    return sum(value for value in column[len(column) - rows :] if value is not None)


def _iso(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="seconds")
