"""Histories to report on."""

from collections.abc import Sequence

from shoal.station import HistoryColumns

Column = Sequence[int | None]


def columns(
    *,
    at: list[int],
    viewers: Column,
    p2p: Column = (),
    store: Column = (),
    seed: Column = (),
    startup: Column = (),
    startup_p2p: Column = (),
    stalls: Column = (),
) -> HistoryColumns:
    """Return rows; a column that is not given is 0, and null where `viewers` is."""

    def column(values: Column) -> list[int | None]:
        return list(values) or [None if count is None else 0 for count in viewers]

    return HistoryColumns(
        step_s=10,
        at=at,
        viewers=list(viewers),
        linked=column(()),
        rooms=column(()),
        p2p=column(p2p),
        store=column(store),
        seed=column(seed),
        startup=column(startup),
        startup_p2p=column(startup_p2p),
        wanted=column(()),
        uploaded=column(()),
        stalls=column(stalls),
        latency_s=[None] * len(at),
    )
