from html.parser import HTMLParser

import msgspec

from shoal.api_types import CounterHistory, RunningCost
from shoal.ops.report_document import build_document
from shoal.ops.report_html import render_page
from shoal.ops.report_model import ReportInputs, ReportModel, build_report
from shoal.ops.report_text import as_markdown
from tests.unit.ops.samples import columns, counts
from tests.unit.ops.test_report import AT, URL, changed, shown

NOW = 1_893_456_000
HISTORY = columns(
    at=[NOW - 10, NOW],
    viewers=[3, 3],
    p2p=[60, 60],
    store=[40, 40],
    wanted=[120, 120],
    uploaded=[50, 70],
)
ROWS = [
    counts(NOW - 60),
    counts(NOW, services_video=9_000_000, interfaces_sent=900_000_000, responses=9_500_000),
]
COST = RunningCost(usd=0.5, r2_usd=0.6, ec2_direct_usd=7.5, prices_as_of="2030-01-01")
HEALTHS = {"broadcaster": msgspec.Raw(b'{"status":"degraded","problems":[{"code":"<b>|x"}]}')}


def report() -> ReportModel:
    station = changed(cost=COST, services=HEALTHS)
    counters = CounterHistory({"broadcaster": "2029-12-31T23:00:00+00:00"}, ROWS)
    return build_report(
        ReportInputs(url=URL, at=AT, station=station, history=HISTORY, counters=counters)
    )


def test_traffic_that_no_service_accounts_for_is_reported() -> None:
    host = report().host
    assert host is not None
    assert (host.bytes, host.accounted, host.agree) == (900_000_000, 9_500_000, False)
    text = " ".join(shown(report()).split())
    assert "the host sent 900.0 MB" in text
    assert "something else sends too, as Owncast does when /hls is open" in text


def test_costs_have_three_columns() -> None:
    cost = report().cost
    assert cost.so_far is not None
    assert (cost.so_far.ec2_direct, cost.so_far.r2, cost.so_far.r2_p2p) == (7.5, 0.6, 0.5)
    hour = cost.per_100_viewers_and_hour
    assert 7 < hour.ec2_direct < 8
    assert hour.r2 == hour.r2_p2p  # R2 charges no egress
    assert (cost.measured, cost.share) == (True, 0.6)


def test_markdown_tables_are_complete() -> None:
    text = as_markdown(build_document(report()))
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for rows in tables:
        assert len({row.replace("\\|", "").count("|") for row in rows}) == 1
        assert rows[1].startswith("| --- | ---: |")
    assert "<b>\\|x" in text


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]


def test_the_page_loads_nothing_and_escapes_what_services_report() -> None:
    html = render_page(report(), HISTORY)
    outline = Outline()
    outline.feed(html)
    assert outline.links == []
    assert not {"script", "link", "img", "b<"} & set(outline.tags)
    assert outline.tags.count("svg") == 4
    assert outline.tags.count("table") == 5
    assert "&lt;b&gt;|x" in html
    assert render_page(report(), None).count("<svg") == 0
