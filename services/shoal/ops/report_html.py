"""A report as one HTML file: its tables, and charts of the last 24 hours. Nothing is loaded."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files

from shoal.api_types import HistoryColumns
from shoal.ops.charts import Series, averaged, bands, lines, step_for, summed
from shoal.ops.cost import TITLES
from shoal.ops.findings import moment, percent, size
from shoal.ops.report_document import WAYS, Document, Table, document, dollars, part_of
from shoal.ops.report_model import Report
from shoal.ops.time_windows import SPANS_S, VideoBytes

STYLE = (files("shoal.ops") / "report.css").read_text()
TONES = {"p2p": "peers", "store": "store", "seed": "seed", "ec2_video": "ec2"}


def page(report: Report, history: HistoryColumns | None) -> str:
    """Return the page."""
    text = document(report)
    charts = _charts(history) if history and history.at else ""
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Report: {escape(text.title)}</title><style>{STYLE}</style>"
        f"<header><h1>{escape(text.title)}</h1><p>{escape(text.lead)}</p></header><main>"
        f"{_warnings(text)}{_sources(report)}{charts}{_money(report)}"
        f"{''.join(map(_table, text.tables))}{_remarks(text)}</main></html>\n"
    )


def _warnings(text: Document) -> str:
    if not text.warnings:
        return ""
    lines = "".join(f"<li>{escape(line)}" for line in text.warnings)
    return f'<section class="wrong"><h2>What is wrong</h2><ul>{lines}</ul></section>'


def _sources(report: Report) -> str:
    """Return the whole as one bar, of the last day or, before there is one, since the start."""
    day = (report.windows or {}).get("day")
    if day is None or not day.bytes.total:
        received, share, when = report.bytes, report.share, "since the services started"
    else:
        whole = day.seconds >= SPANS_S["day"]
        when = "in the last 24 hours" if whole else f"since {moment(day.since)}"
        received, share = day.bytes, day.share
    bar = _bar(received) if received is not None and received.total else ""
    return (
        f'<section class="sum"><p class="big">{percent(share)}</p>'
        f"<p>of the video came from other viewers {when}, start-up apart</p>{bar}</section>"
    )


def _bar(received: VideoBytes) -> str:
    parts = [
        (TONES[way], WAYS[way], amount, part_of(amount, received.total) or 0.0)
        for way in TONES
        if (amount := getattr(received, way)) is not None
    ]
    blocks = "".join(f'<i class="{tone}" style="flex:{part}"></i>' for tone, _, _, part in parts)
    legend = "".join(
        f'<li class="{tone}">{escape(name)} <b>{percent(part)}</b> {size(amount)}'
        for tone, name, amount, part in parts
    )
    return (
        f'<div class="bar" aria-hidden="true">{blocks}</div>'
        f'<p>all that viewers received, start-up too:</p><ul class="legend">{legend}</ul>'
    )


def _charts(history: HistoryColumns) -> str:
    step = step_for(len(history.at))
    ways = [
        Series(WAYS[way], TONES[way], summed(column, step))
        for way, column in (("p2p", history.p2p), ("store", history.store), ("seed", history.seed))
    ]
    viewers = [
        Series("viewers", "plain", averaged(history.viewers, step)),
        Series("with a link to another", "peers", averaged(history.linked, step)),
    ]
    delay = [Series("seconds behind live, median", "plain", averaged(history.latency_s, step))]
    stalls = [Series("stalls", "ec2", summed(history.stalls, step))]
    return (
        '<div class="charts">'
        + "".join(
            (
                _figure("Where the video came from", ways, bands(ways), "100 %", history),
                *(
                    _figure(title, series, lines(series, top), f"{top:g}", history)
                    for title, series in (
                        ("Viewers", viewers),
                        ("Delay", delay),
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
    legend = "".join(f'<li class="{one.tone}">{escape(one.name)}' for one in series)
    begin, end = (
        datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S" if _short(history) else "%a %H:%M")
        for at in (history.at[0], history.at[-1])
    )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><ul class="legend">{legend}</ul>'
        f'<div class="plot"><span>{top}</span>{svg}<span>0</span></div>'
        f'<div class="times"><span>{begin}</span><span>{end} UTC</span></div></figure>'
    )


def _short(history: HistoryColumns) -> bool:
    return history.at[-1] - history.at[0] < 600


def _top(series: Sequence[Series]) -> float:
    """Return a round number that no value passes."""
    most = max((value for one in series for value in one.values if value is not None), default=0)
    unit = 1.0
    while unit * 10 < most:
        unit *= 10
    return next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= most)


def _money(report: Report) -> str:
    cost = report.cost.per_100_viewers_and_hour
    columns = (
        ("ec2", TITLES["ec2_direct"], cost.ec2_direct),
        ("store", TITLES["r2"], cost.r2),
        ("peers", TITLES["r2_p2p"], cost.r2_p2p),
    )
    most = max(amount for _, _, amount in columns)
    rows = "".join(
        f"<li><span>{escape(title)}</span>"
        f'<div><i class="{tone}" style="width:{100 * amount / most:.1f}%"></i></div>'
        f"<b>{dollars(amount)}</b>"
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
        + "".join(f"<td{_tone(cell)}>{_unbroken(cell)}" for cell in row[1:])
        for row in table.rows
    )
    return (
        f'<section><h2>{escape(table.title)}</h2><div class="scroll" tabindex="0">'
        f"<table><thead><tr>{head}<tbody>{rows}</table></div></section>"
    )


def _unbroken(cell: str) -> str:
    """Keep figures and their units on one line."""
    return re.sub(r"(?<=\d) (?=[a-zA-Z])", "&nbsp;", escape(cell))


def _tone(cell: str) -> str:
    return ' class="bad"' if cell in ("DISAGREE", "failing", "degraded", "unreachable") else ""


def _remarks(text: Document) -> str:
    lines = "".join(f"<li>{escape(line)}" for line in (text.share, *text.remarks))
    unknown = "".join(f"<li>not known: {escape(line)}" for line in text.unknown)
    return f"<section><h2>Remarks</h2><ul>{lines}{unknown}</ul></section>"
