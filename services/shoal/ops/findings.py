"""Findings of a report: what is wrong, and what its reader must know beside the tables."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.filesize import decimal

from shoal.ops.report_model import LOW_SHARE, ReportModel


@dataclass(frozen=True)
class Findings:
    """Lines for people."""

    warnings: list[str]
    """what is wrong"""
    facts: list[str]


def collect_findings(report: ReportModel) -> Findings:
    """Return the findings; none about what is not known without the operator's token."""
    if report.bytes is None or report.ec2_video is None:
        return Findings([], [])
    warnings = [*_sharing_warnings(report), *_counter_warnings(report), *_service_warnings(report)]
    return Findings(warnings, _facts(report))


def _service_warnings(report: ReportModel) -> list[str]:
    lines: list[str] = []
    for name, service in (report.services or {}).items():
        lines += [f"{name}: {problem.message or problem.code}" for problem in service.problems]
        if service.status != "ok" and not service.problems:
            lines.append(f"{name} is {service.status}")
    return lines


def _facts(report: ReportModel) -> list[str]:
    counts, since, store = report.ec2_video, report.since, report.store_counter
    assert counts is not None  # checked by the caller
    lines = [
        f"{report.stalls} stalls, {format_seconds(report.latency_s)} latency behind live (median),"
        f" {format_bytes(report.uploaded)} uploaded by viewers, {report.chunks} segments"
        if report.chunks is not None
        else "signaling does not answer: what viewers received is not known",
        f"video through EC2 as counted by the services: {format_bytes(counts.services)},"
        f" by the gateway: {format_bytes(counts.gateway)}",
    ]
    if report.peers is not None:
        lines.append(
            f"{report.peers} of {report.viewers} viewers have a link to another viewer,"
            f" {report.not_sharing} cannot or may not share"
        )
    cost = report.cost
    lines.append(
        f"the cost of 100 viewers assumes {cost.bitrate_kbps / 1000:.2f} Mbit/s in segments of"
        f" {cost.segment_s:.1f} s, and a peers' share of {format_percent(cost.share)}"
        + (", as measured here" if cost.measured else ", as rooms usually reach")
        + ". With R2 peers save few dollars, because R2 charges nothing for egress; they take load"
        " off it"
    )
    if store is not None and store.agree is None:
        lines.append(
            "the store's counter and the viewers' reports did not start at the same time, so they"
            " cannot be compared"
        )
    if report.host is not None:
        lines.append(f"the host's interfaces are counted since {format_time(report.host.since)}")
    if report.zone is not None:
        lines.append(f"Cloudflare's edge is counted since {format_time(report.zone.since)}")
    if since is not None:
        lines.append(
            f"counting since: viewers' reports {format_time(since.viewers)}, EC2's services"
            f" {format_time(since.services)}, gateway {format_time(since.gateway)}, the store's"
            f" counter {format_time(since.store)}"
        )
    return lines


def _sharing_warnings(report: ReportModel) -> list[str]:
    if report.viewers is None or report.viewers < 2 or report.not_sharing is None:
        return []
    if not report.peers:
        return [
            f"{report.viewers} viewers, but not a single link between them ({report.not_sharing}"
            " cannot or may not share): everything comes from the store. This is normal for 15 s"
            " after they join; after that, look into the console of a viewer's browser"
        ]
    share, limit = report.recent_share, report.share_limit
    if share is not None and limit is not None and share < LOW_SHARE * limit:
        return [
            f"peers recently carried {format_percent(share)} of a possible {format_percent(limit)}:"
            " links are open, but little goes over them. The dashboard shows who uploads too little"
        ]
    return []


def _counter_warnings(report: ReportModel) -> list[str]:
    counts, received, store = report.ec2_video, report.bytes, report.store_counter
    assert counts is not None  # checked by the caller
    assert received is not None
    lines: list[str] = []
    if counts.agree is False:
        lines.append(
            "the two counts of video through EC2 differ: video passes through the gateway that no"
            " service sends, or the other way around. The table shows the larger one; check the"
            " routes with `shoal routes`"
        )
    if counts.services is None:
        lines.append("a service does not answer, so its video through EC2 is not counted")
    if received.ec2_video:
        lines.append(
            "video goes through EC2; it should be 0 bytes. `shoal doctor` finds out which way"
        )
    if store is not None and store.agree is False:
        lines.append(
            f"the store sent {format_bytes(store.bytes)}, but viewers reported"
            f" {format_bytes(received.store)} from it: some do not report, or report falsely"
        )
    zone, host = report.zone, report.host
    if zone is not None and zone.agree is False:
        lines.append(
            f"Cloudflare sent {format_bytes(zone.bytes)} from {zone.host}, but viewers reported"
            f" {format_bytes(zone.viewers_say)} from it: someone else downloads, or some viewers"
            " do not report"
        )
    if host is not None and host.agree is False:
        lines.append(
            f"the host sent {format_bytes(host.bytes)} since {format_time(host.since)}, but its"
            f" services account for {format_bytes(host.accounted)}: something else sends too, as"
            " Owncast does when /hls is open (`shoal doctor` checks that)"
        )
    return lines


def format_time(iso: str | None) -> str:
    """Return a time for people, UTC."""
    if iso is None:
        return "unknown"
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def format_bytes(value: int | None) -> str:
    """Return a number of bytes for people."""
    return "unknown" if value is None else decimal(value)


def format_percent(value: float | None) -> str:
    """Return a fraction as a percentage, for people."""
    return "-" if value is None else f"{value:.1%}"


def format_seconds(value: float | None) -> str:
    """Return a duration for people."""
    return "unknown" if value is None else f"{value:.1f} s"
