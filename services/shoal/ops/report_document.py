"""A report for people: headings, lines and tables, before they are a terminal's, text or HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shoal.api_types import BytesBySource, ReplayTotals, share
from shoal.ops.cost import TITLES
from shoal.ops.findings import moment, percent, remarks, seconds, size
from shoal.ops.report_cost import Columns
from shoal.ops.report_model import Report
from shoal.ops.time_windows import VideoBytes, Window

SHARE_DEFINITION = "peers / (peers + store + seed), bytes of viewers' start-up apart"
WAYS = {"ec2_video": "EC2", "store": "R2 (store)", "p2p": "peers", "seed": "torrent seed"}
SPANS = {"now": "the last 5 minutes", "hour": "the last hour", "day": "the last 24 hours"}


@dataclass(frozen=True)
class Table:
    """Rows under a title; the first column names each row, the others are figures."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class Document:
    """One report."""

    title: str
    lead: str
    share: str
    warnings: list[str]
    tables: list[Table]
    remarks: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])


def document(report: Report) -> Document:
    """Return what people read of a report; warnings first."""
    on_air = {True: "live", False: "offline", None: "unknown whether live"}[report.live]
    said = remarks(report)
    tables: list[Table] = []
    if report.bytes is not None:
        tables.append(_since_the_start(report, report.bytes))
    if report.windows:
        tables.append(_over_time(report.windows))
    if report.replays is not None and report.replays.bytes.total:
        tables.append(_replays(report.replays))
    if report.services:
        tables.append(_services(report))
    tables.append(_cost(report))
    if report.bytes is not None:
        tables.append(_counters(report))
    return Document(
        title=report.url,
        lead=f"{on_air}, {known(report.viewers)} viewers, {moment(report.at)}",
        share=f"share of peers: {percent(report.share)} = {SHARE_DEFINITION}",
        warnings=said.warnings,
        tables=tables,
        remarks=said.facts,
        unknown=list(report.unknown),
    )


def _since_the_start(report: Report, received: VideoBytes) -> Table:
    startup, store = report.startup, report.store_counter
    rows = (
        ("ec2_video", received.ec2_video, None, received.ec2_video),
        ("store", received.store, startup and startup.store, store and store.bytes),
        ("p2p", received.p2p, startup and startup.p2p, None),
        ("seed", received.seed, startup and startup.seed, None),
    )
    return Table(
        "Video to viewers, since the services started",
        ("video through", "bytes", "per cent", "of it start-up", "sender's counter"),
        [
            (
                WAYS[way],
                size(amount),
                percent(part_of(amount, received.total)),
                "" if start is None else size(start),
                "" if counted is None else size(counted),
            )
            for way, amount, start, counted in rows
        ],
    )


def _over_time(windows: dict[str, Window]) -> Table:
    # of a station that has just started the day is no longer than the last minutes
    lengths = [span.seconds for span in windows.values()]
    shown = {
        name: span
        for i, (name, span) in enumerate(windows.items())
        if span.seconds not in lengths[:i]
    }
    spans = list(shown.values())

    def row(name: str, *cells: str) -> tuple[str, ...]:
        return name, *cells

    def through(way: str) -> tuple[str, ...]:
        amounts = [getattr(span.bytes, way) for span in spans]
        parts = [
            percent(part_of(amount, span.bytes.total))
            for amount, span in zip(amounts, spans, strict=True)
        ]
        cells = [f"{size(amount)}, {part}" for amount, part in zip(amounts, parts, strict=True)]
        return f"through {WAYS[way]}", *cells

    return Table(
        "Over time",
        ("", *(SPANS[name] for name in shown)),
        [
            row("time with figures", *(str(timedelta(seconds=span.seconds)) for span in spans)),
            *(through(way) for way in WAYS),
            row("share of peers", *(percent(span.share) for span in spans)),
            row("copies of a segment", *(number(span.copies) for span in spans)),
            row("uploaded by viewers", *(size(span.uploaded) for span in spans)),
            row("uploaded to the store", *(size(span.stored) for span in spans)),
            row("viewers, average", *(f"{span.viewers:.1f}" for span in spans)),
            row("viewers, most", *(str(span.peak_viewers) for span in spans)),
            row("viewer-hours", *(f"{span.viewer_hours:,.2f}" for span in spans)),
            row(
                "EC2 video per viewer-hour",
                *(
                    "-"
                    if span.ec2_video_per_viewer_hour is None
                    else size(round(span.ec2_video_per_viewer_hour))
                    for span in spans
                ),
            ),
            row("stalls", *(str(span.stalls) for span in spans)),
            row("behind live", *(seconds(span.latency_s) for span in spans)),
        ],
    )


def _replays(replays: ReplayTotals) -> Table:
    received = replays.bytes
    return Table(
        "Replays, since the services started",
        ("viewers now", "from viewers", "from the store", "share of peers", "stalls"),
        [
            (
                str(replays.viewers),
                size(received.p2p),
                size(received.store),
                percent(share(received, BytesBySource())),
                str(replays.stalls),
            )
        ],
    )


def _services(report: Report) -> Table:
    return Table(
        "Services",
        ("", "state", "up for", "requests/s now", "over 24 hours", "problems"),
        [
            (
                name,
                status.status,
                "unknown"
                if status.uptime_s is None
                else str(timedelta(seconds=round(status.uptime_s))),
                number(status.requests_per_s),
                number(status.requests_per_s_day),
                ", ".join(problem.code for problem in status.problems) or "-",
            )
            for name, status in (report.services or {}).items()
        ],
    )


def _cost(report: Report) -> Table:
    cost = report.cost

    def row(name: str, columns: Columns | None) -> tuple[str, ...]:
        if columns is None:
            return name, *("unknown" for _ in TITLES)
        return name, *(dollars(getattr(columns, column)) for column in TITLES)

    return Table(
        f"Cost at list prices of {cost.prices_as_of}, the host apart",
        ("", *TITLES.values()),
        [
            row("so far", cost.so_far),
            row("100 viewers for an hour", cost.per_100_viewers_and_hour),
        ],
    )


def _from_store(report: Report) -> int | None:
    """Return what viewers say that they had from there, those of replays, too."""
    if report.bytes is None or report.bytes.store is None:
        return None
    return report.bytes.store + (report.replays.bytes.store if report.replays else 0)


def _counters(report: Report) -> Table:
    """Each pair of counters that do not know of each other, with what they say."""
    verdicts = {True: "agree", False: "DISAGREE", None: "cannot be compared"}
    rows: list[tuple[str, ...]] = []

    def pair(what: str, one: str, other: str, agree: bool | None) -> None:
        rows.append((what, one, other, verdicts[agree]))

    if (ec2 := report.ec2_video) is not None:
        pair(
            "video through EC2",
            f"services {size(ec2.services)}",
            f"gateway {size(ec2.gateway)}",
            ec2.agree,
        )
    if (store := report.store_counter) is not None and report.bytes is not None:
        pair(
            "from the store",
            f"viewers {size(_from_store(report))}",
            f"store {size(store.bytes)}",
            store.agree,
        )
    if (zone := report.zone) is not None:
        sampled = ", by a sample" if zone.sampled else ""
        pair(
            f"from {zone.host}",
            f"viewers {size(zone.viewers_say)}",
            f"Cloudflare {size(zone.bytes)}{sampled}",
            zone.agree,
        )
    if (host := report.host) is not None:
        pair(
            "sent by the EC2 host",
            f"services {size(host.accounted)}",
            f"its interfaces {size(host.bytes)}",
            host.agree,
        )
    return Table(
        "Counters that do not know of each other", ("", "one counter", "the other", "they"), rows
    )


def part_of(amount: int | None, total: int) -> float | None:
    """Return a part of 1; None where it is not known."""
    return amount / total if amount is not None and total else None


def number(value: float | None) -> str:
    """Return a figure for people."""
    return "-" if value is None else f"{value:,.2f}"


def dollars(value: float) -> str:
    """Return an amount for people."""
    return "<$0.01" if 0 < value < 0.005 else f"${value:,.2f}"


def known(value: int | None) -> str:
    """Return a count for people."""
    return "unknown" if value is None else str(value)
