"""A report for people as headings, lines and tables, before it becomes text or HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shoal.api_types import BytesBySource, ReplayTotals, share
from shoal.ops.cost import COLUMN_TITLES
from shoal.ops.findings import (
    collect_findings,
    format_bytes,
    format_percent,
    format_seconds,
    format_time,
)
from shoal.ops.report_cost import Columns
from shoal.ops.report_model import ReportModel
from shoal.ops.time_windows import VideoBytes, Window

SHARE_DEFINITION = "peers / (peers + store + seed), without the bytes of viewers' start-up"
SOURCE_NAMES = {"ec2_video": "EC2", "store": "R2 (store)", "p2p": "peers", "seed": "torrent seed"}
WINDOW_NAMES = {"now": "the last 5 minutes", "hour": "the last hour", "day": "the last 24 hours"}


@dataclass(frozen=True)
class Table:
    """Rows under a title; the first column names each row, the others hold values."""

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
    notes: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])


def build_document(report: ReportModel) -> Document:
    """Return a report as people read it."""
    live = {True: "live", False: "offline", None: "not known whether live"}[report.live]
    findings = collect_findings(report)
    tables: list[Table] = []
    if report.bytes is not None:
        tables.append(_total_table(report, report.bytes))
    if report.windows:
        tables.append(_windows_table(report.windows))
    if report.replays is not None and report.replays.bytes.total:
        tables.append(_replays_table(report.replays))
    if report.services:
        tables.append(_services_table(report))
    tables.append(_cost_table(report))
    if report.bytes is not None:
        tables.append(_counters_table(report))
    return Document(
        title=report.url,
        lead=f"{live}, {format_count(report.viewers)} viewers, {format_time(report.at)}",
        share=f"peers' share: {format_percent(report.share)} = {SHARE_DEFINITION}",
        warnings=findings.warnings,
        tables=tables,
        notes=findings.facts,
        unknown=list(report.unknown),
    )


def _total_table(report: ReportModel, received: VideoBytes) -> Table:
    startup, store = report.startup, report.store_counter
    rows = (
        ("ec2_video", received.ec2_video, None, received.ec2_video),
        ("store", received.store, startup and startup.store, store and store.bytes),
        ("p2p", received.p2p, startup and startup.p2p, None),
        ("seed", received.seed, startup and startup.seed, None),
    )
    return Table(
        "Video to viewers, since the services started",
        ("source", "bytes", "percent", "during start-up", "sent (server's count)"),
        [
            (
                SOURCE_NAMES[way],
                format_bytes(amount),
                format_percent(fraction(amount, received.total)),
                "" if start is None else format_bytes(start),
                "" if counted is None else format_bytes(counted),
            )
            for way, amount, start, counted in rows
        ],
    )


def _windows_table(windows: dict[str, Window]) -> Table:
    # for a station that has just started, the day is no longer than the last minutes
    lengths = [window.seconds for window in windows.values()]
    shown = {
        name: span
        for i, (name, span) in enumerate(windows.items())
        if span.seconds not in lengths[:i]
    }
    spans = list(shown.values())

    def row(name: str, *cells: str) -> tuple[str, ...]:
        return name, *cells

    def bytes_from(way: str) -> tuple[str, ...]:
        amounts = [getattr(span.bytes, way) for span in spans]
        parts = [
            format_percent(fraction(amount, span.bytes.total))
            for amount, span in zip(amounts, spans, strict=True)
        ]
        cells = [
            f"{format_bytes(amount)}, {part}" for amount, part in zip(amounts, parts, strict=True)
        ]
        return f"from {SOURCE_NAMES[way]}", *cells

    return Table(
        "Over time",
        ("", *(WINDOW_NAMES[name] for name in shown)),
        [
            row("time covered", *(str(timedelta(seconds=span.seconds)) for span in spans)),
            *(bytes_from(way) for way in SOURCE_NAMES),
            row("peers' share", *(format_percent(span.share) for span in spans)),
            row("copies of a segment", *(format_number(span.copies) for span in spans)),
            row("uploaded by viewers", *(format_bytes(span.uploaded) for span in spans)),
            row("uploaded to the store", *(format_bytes(span.stored) for span in spans)),
            row("viewers, average", *(f"{span.viewers:.1f}" for span in spans)),
            row("viewers, peak", *(str(span.peak_viewers) for span in spans)),
            row("viewer-hours", *(f"{span.viewer_hours:,.2f}" for span in spans)),
            row(
                "EC2 video per viewer-hour",
                *(
                    "-"
                    if span.ec2_video_per_viewer_hour is None
                    else format_bytes(round(span.ec2_video_per_viewer_hour))
                    for span in spans
                ),
            ),
            row("stalls", *(str(span.stalls) for span in spans)),
            row("latency behind live", *(format_seconds(span.latency_s) for span in spans)),
        ],
    )


def _replays_table(replays: ReplayTotals) -> Table:
    received = replays.bytes
    return Table(
        "Replays, since the services started",
        ("viewers now", "from viewers", "from the store", "peers' share", "stalls"),
        [
            (
                str(replays.viewers),
                format_bytes(received.p2p),
                format_bytes(received.store),
                format_percent(share(received, BytesBySource())),
                str(replays.stalls),
            )
        ],
    )


def _services_table(report: ReportModel) -> Table:
    return Table(
        "Services",
        ("", "state", "uptime", "requests/s now", "over 24 hours", "problems"),
        [
            (
                name,
                status.status,
                "unknown"
                if status.uptime_s is None
                else str(timedelta(seconds=round(status.uptime_s))),
                format_number(status.requests_per_s),
                format_number(status.requests_per_s_day),
                ", ".join(problem.code for problem in status.problems) or "-",
            )
            for name, status in (report.services or {}).items()
        ],
    )


def _cost_table(report: ReportModel) -> Table:
    cost = report.cost

    def row(name: str, columns: Columns | None) -> tuple[str, ...]:
        if columns is None:
            return name, *("unknown" for _ in COLUMN_TITLES)
        return name, *(format_dollars(getattr(columns, column)) for column in COLUMN_TITLES)

    return Table(
        f"Cost at list prices of {cost.prices_as_of}, without the host",
        ("", *COLUMN_TITLES.values()),
        [
            row("so far", cost.so_far),
            row("100 viewers for an hour", cost.per_100_viewers_and_hour),
        ],
    )


def _from_store(report: ReportModel) -> int | None:
    """Return what viewers reported to have received from the store, replays included."""
    if report.bytes is None or report.bytes.store is None:
        return None
    return report.bytes.store + (report.replays.bytes.store if report.replays else 0)


def _counters_table(report: ReportModel) -> Table:
    """Return each pair of independent counters, and whether they agree."""
    verdicts = {True: "agree", False: "DISAGREE", None: "cannot be compared"}
    rows: list[tuple[str, ...]] = []

    def pair(what: str, one: str, other: str, agree: bool | None) -> None:
        rows.append((what, one, other, verdicts[agree]))

    if (ec2 := report.ec2_video) is not None:
        pair(
            "video through EC2",
            f"services {format_bytes(ec2.services)}",
            f"gateway {format_bytes(ec2.gateway)}",
            ec2.agree,
        )
    if (store := report.store_counter) is not None and report.bytes is not None:
        pair(
            "from the store",
            f"viewers {format_bytes(_from_store(report))}",
            f"store {format_bytes(store.bytes)}",
            store.agree,
        )
    if (zone := report.zone) is not None:
        sampled = ", from a sample" if zone.sampled else ""
        pair(
            f"from {zone.host}",
            f"viewers {format_bytes(zone.viewers_say)}",
            f"Cloudflare {format_bytes(zone.bytes)}{sampled}",
            zone.agree,
        )
    if (host := report.host) is not None:
        pair(
            "sent by the EC2 host",
            f"services {format_bytes(host.accounted)}",
            f"its interfaces {format_bytes(host.bytes)}",
            host.agree,
        )
    return Table("Independent counters", ("", "one counter", "the other", "they"), rows)


def fraction(amount: int | None, total: int) -> float | None:
    """Return a fraction of the total, 0 to 1; None if it is not known."""
    return amount / total if amount is not None and total else None


def format_number(value: float | None) -> str:
    """Return a number for people."""
    return "-" if value is None else f"{value:,.2f}"


def format_dollars(value: float) -> str:
    """Return an amount in US dollars for people."""
    return "<$0.01" if 0 < value < 0.005 else f"${value:,.2f}"


def format_count(value: int | None) -> str:
    """Return a count for people."""
    return "unknown" if value is None else str(value)
