"""A report as one HTML file: its tables, and charts of the last 24 hours. It loads nothing."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from shoal.api_types import HistoryColumns
from shoal.ops.charts import (
    Series,
    average_steps,
    band_chart,
    line_chart,
    step_for,
    sum_steps,
)
from shoal.ops.cost import COLUMN_TITLES
from shoal.ops.findings import format_bytes, format_percent, format_time
from shoal.ops.report_document import (
    SOURCE_NAMES,
    Document,
    Table,
    build_document,
    format_dollars,
    fraction,
)
from shoal.ops.report_model import ReportModel
from shoal.ops.time_windows import WINDOW_LENGTHS_S, VideoBytes

STYLE = (files("shoal.ops") / "report.css").read_text()
TONES = {"p2p": "peers", "store": "store", "seed": "seed", "ec2_video": "ec2"}


def render_page(report: ReportModel, history: HistoryColumns | None) -> str:
    """Return a report as an HTML page; without a history it has no charts."""
    document = build_document(report)
    charts = _charts(history) if history and history.at else ""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Report: {escape(document.title)}</title><style>{STYLE}</style>"
        f"<header><h1>{escape(document.title)}</h1><p>{escape(document.lead)}</p></header><main>"
        f"{_warnings(document)}{_summary(report)}{charts}{_cost_chart(report)}"
        f"{''.join(map(_table, document.tables))}{_notes(document)}</main></html>\n"
    )


def _warnings(document: Document) -> str:
    if not document.warnings:
        return ""
    lines = "".join(f"<li>{escape(line)}" for line in document.warnings)
    return f'<section class="wrong"><h2>Problems</h2><ul>{lines}</ul></section>'


def _summary(report: ReportModel) -> str:
    """Return peers' share and all sources as one bar, over the last day or since the start."""
    day = (report.windows or {}).get("day")
    if day is None or not day.bytes.total:
        received, share, when = report.bytes, report.share, "since the services started"
    else:
        is_full_day = day.seconds >= WINDOW_LENGTHS_S["day"]
        when = "in the last 24 hours" if is_full_day else f"since {format_time(day.since)}"
        received, share = day.bytes, day.share
    bar = _bar(received) if received is not None and received.total else ""
    return (
        f'<section class="sum"><p class="big">{format_percent(share)}</p>'
        f"<p>of the video came from other viewers {when}, without start-up</p>{bar}</section>"
    )


def _bar(received: VideoBytes) -> str:
    sources = [
        (TONES[source], SOURCE_NAMES[source], amount, fraction(amount, received.total) or 0.0)
        for source in TONES
        if (amount := getattr(received, source)) is not None
    ]
    blocks = "".join(f'<i class="{tone}" style="flex:{part}"></i>' for tone, _, _, part in sources)
    legend = "".join(
        f'<li class="{tone}">{escape(name)} <b>{format_percent(part)}</b> {format_bytes(amount)}'
        for tone, name, amount, part in sources
    )
    return (
        f'<div class="bar" aria-hidden="true">{blocks}</div>'
        "<p>everything that viewers received, including start-up:</p>"
        f'<ul class="legend">{legend}</ul>'
    )


def _charts(history: HistoryColumns) -> str:
    step = step_for(len(history.at))
    sources = [
        Series(SOURCE_NAMES[source], TONES[source], sum_steps(column, step))
        for source, column in (
            ("p2p", history.p2p),
            ("store", history.store),
            ("seed", history.seed),
        )
    ]
    viewers = [
        Series("viewers", "plain", average_steps(history.viewers, step)),
        Series("with a link to another viewer", "peers", average_steps(history.linked, step)),
    ]
    latency = [
        Series("seconds behind live, median", "plain", average_steps(history.latency_s, step))
    ]
    stalls = [Series("stalls", "ec2", sum_steps(history.stalls, step))]
    return (
        '<div class="charts">'
        + "".join(
            (
                _figure(
                    "Where the video came from", sources, band_chart(sources), "100 %", history
                ),
                *(
                    _figure(title, series, line_chart(series, top), f"{top:g}", history)
                    for title, series in (
                        ("Viewers", viewers),
                        ("Latency", latency),
                        ("Stalls", stalls),
                    )
                    for top in (_top(series),)
                ),
            )
        )
        + "</div>"
    )


def _figure(
    title: str, series: Sequence[Series], svg: str, top: str, history: HistoryColumns
) -> str:
    legend = "".join(f'<li class="{item.tone}">{escape(item.name)}' for item in series)
    begin, end = (
        datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S" if _is_short(history) else "%a %H:%M")
        for at in (history.at[0], history.at[-1])
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><ul class="legend">{legend}</ul>'
        f'<div class="plot"><span>{top}</span>{svg}<span>0</span></div>'
        f'<div class="times"><span>{begin}</span><span>{end} UTC</span></div></figure>'
    )


def _is_short(history: HistoryColumns) -> bool:
    return history.at[-1] - history.at[0] < 600


def _top(series: Sequence[Series]) -> float:
    """Return a round number that no value exceeds."""
    highest = max(
        (value for item in series for value in item.values if value is not None), default=0
    )
    unit = 1.0
    while unit * 10 < highest:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= highest)


def _cost_chart(report: ReportModel) -> str:
    cost = report.cost.per_100_viewers_and_hour
    columns = (
        ("ec2", COLUMN_TITLES["ec2_direct"], cost.ec2_direct),
        ("store", COLUMN_TITLES["r2"], cost.r2),
        ("peers", COLUMN_TITLES["r2_p2p"], cost.r2_p2p),
    )
    highest = max(amount for _, _, amount in columns)
    rows = "".join(
        f"<li><span>{escape(title)}</span>"
        f'<div><i class="{tone}" style="width:{100 * amount / highest:.1f}%"></i></div>'
        f"<b>{format_dollars(amount)}</b>"
        for tone, title, amount in columns
    )
    return (
        "<figure><figcaption>100 viewers for an hour, at list prices</figcaption>"
        f'<ul class="money">{rows}</ul></figure>'
    )


def _table(table: Table) -> str:
    head = "".join(f"<th scope=col>{escape(column)}" for column in table.columns)
    rows = "".join(
        f"<tr><th scope=row>{escape(row[0])}"
        + "".join(f"<td{_tone(cell)}>{_keep_units(cell)}" for cell in row[1:])
        for row in table.rows
    )
    return (
        f'<section><h2>{escape(table.title)}</h2><div class="scroll" tabindex="0">'
        f"<table><thead><tr>{head}<tbody>{rows}</table></div></section>"
    )


def _keep_units(cell: str) -> str:
    """Keep numbers and their units on one line."""
    return re.sub(r"(?<=\d) (?=[a-zA-Z])", "&nbsp;", escape(cell))


def _tone(cell: str) -> str:
    return ' class="bad"' if cell in ("DISAGREE", "failing", "degraded", "unreachable") else ""


def _notes(document: Document) -> str:
    lines = "".join(f"<li>{escape(line)}" for line in (document.share, *document.notes))
    unknown = "".join(f"<li>not known: {escape(line)}" for line in document.unknown)
    return f"<section><h2>Notes</h2><ul>{lines}{unknown}</ul></section>"
