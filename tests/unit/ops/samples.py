"""Sample histories and counters for reports."""

from collections.abc import Sequence

from shoal.api_types import CounterSample, HistoryColumns

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
    wanted: Column = (),
    uploaded: Column = (),
) -> HistoryColumns:
    """Return a history; a column that is not given is 0, or null where `viewers` is null."""

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
        wanted=column(wanted),
        uploaded=column(uploaded),
        stalls=column(stalls),
        replays_p2p=column(()),
        replays_store=column(()),
        latency_s=[None] * len(at),
    )


def counts(at: int, **values: int | None) -> CounterSample:
    """Return a row of counters; values that are not given are 0, as are all requests."""
    names = (
        *("services_video", "gateway_video", "responses", "stored", "seeded"),
        *("store_sent", "interfaces_sent"),
    )
    requests = {"broadcaster": 0, "signaling": 0, "site": values.pop("site_requests", 0)}
    return CounterSample(at=at, requests=requests, **{**dict.fromkeys(names, 0), **values})
