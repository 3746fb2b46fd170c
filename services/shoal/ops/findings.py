"""What the reader of a report must know beside the table, and what is wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime

from rich.filesize import decimal

from shoal.ops.report_model import LOW_SHARE, Report


@dataclass(frozen=True)
class Remarks:
    """A line each."""

    warnings: list[str]
    """what is wrong"""
    facts: list[str]


def remarks(report: Report) -> Remarks:
    """Return the remarks; none on what cannot be known without the operator's token."""
    if report.bytes is None or report.ec2_video is None:
        return Remarks([], [])
    warnings = [*_of_sharing(report), *_of_counters(report), *_of_services(report)]
    return Remarks(warnings, _facts(report))


def _of_services(report: Report) -> list[str]:
    lines: list[str] = []
    for name, service in (report.services or {}).items():
        lines += [f"{name}: {problem.message or problem.code}" for problem in service.problems]
        if service.status != "ok" and not service.problems:
            lines.append(f"{name} is {service.status}")
    return lines


def _facts(report: Report) -> list[str]:
    counts, since, store = report.ec2_video, report.since, report.store_counter
    assert counts is not None  # looked at before
    lines = [
        f"{report.stalls} stalls, {seconds(report.latency_s)} behind live (median),"
        f" {size(report.uploaded)} uploaded by viewers, {report.chunks} segments"
        if report.chunks is not None
        else "signaling does not answer: what viewers received cannot be known",
        f"EC2 counted by its services: {size(counts.services)}, by the gateway:"
        f" {size(counts.gateway)}",
    ]
    if report.peers is not None:
        lines.append(
            f"{report.peers} of {report.viewers} viewers have a link to another,"
            f" {report.not_sharing} cannot or may not share"
        )
    cost = report.cost
    lines.append(
        f"100 viewers are reckoned with {cost.bitrate_kbps / 1000:.2f} Mbit/s in segments of"
        f" {cost.segment_s:.1f} s, and peers that carry {percent(cost.share)}"
        + (", as here" if cost.measured else ", as rooms usually do")
        + ". Over R2 alone peers save few dollars: R2 charges no egress. They take load from it"
    )
    if store is not None and store.agree is None:
        lines.append("the store's counter and what viewers report cannot be compared")
    if report.host is not None:
        lines.append(f"the host's interfaces are counted since {moment(report.host.since)}")
    if report.zone is not None:
        lines.append(f"Cloudflare's edge is counted since {moment(report.zone.since)}")
    if since is not None:
        lines.append(
            f"counted since: what viewers report {moment(since.viewers)}, EC2's services"
            f" {moment(since.services)}, gateway {moment(since.gateway)}, store's counter"
            f" {moment(since.store)}"
        )
    return lines


def _of_sharing(report: Report) -> list[str]:
    if report.viewers is None or report.viewers < 2 or report.not_sharing is None:
        return []
    if not report.peers:
        return [
            f"{report.viewers} viewers and not one link between them ({report.not_sharing} cannot"
            " or may not share): everything comes from the store. Just after they joined this"
            " is normal for 15 s; else look at a viewer's console"
        ]
    share, limit = report.recent_share, report.share_limit
    if share is not None and limit is not None and share < LOW_SHARE * limit:
        return [
            f"peers carried {percent(share)} lately, and could carry {percent(limit)}:"
            " links are open, but little passes them"
        ]
    return []


def _of_counters(report: Report) -> list[str]:
    counts, received, store = report.ec2_video, report.bytes, report.store_counter
    assert counts is not None  # looked at before
    assert received is not None
    lines: list[str] = []
    if counts.agree is False:
        lines.append(
            "the two counts of EC2 differ: video passes the gateway that no service of"
            " ours sends, or the other way round; the larger one stands in the table"
        )
    if counts.services is None:
        lines.append("a service does not answer, so its video through EC2 is not counted")
    if received.ec2_video:
        lines.append("video goes through EC2; it should be 0")
    if store is not None and store.agree is False:
        lines.append(
            f"the store sent {size(store.bytes)}, and viewers say that they received"
            f" {size(received.store)} from it: some do not report, or not the truth"
        )
    zone, host = report.zone, report.host
    if zone is not None and zone.agree is False:
        lines.append(
            f"Cloudflare sent {size(zone.bytes)} from {zone.host}, and viewers say that they"
            f" received {size(zone.viewers_say)} from it: somebody else downloads, or some do not"
            " report"
        )
    if host is not None and host.agree is False:
        lines.append(
            f"the host sent {size(host.bytes)} since {moment(host.since)}, and its services account"
            f" for {size(host.accounted)}: something else sends, as Owncast does when /hls is open"
        )
    return lines


def moment(iso: str | None) -> str:
    """Return a time for people, UTC."""
    if iso is None:
        return "unknown"
    return datetime.fromisoformat(iso).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def size(value: int | None) -> str:
    """Return a number of bytes for people."""
    return "unknown" if value is None else decimal(value)


def percent(value: float | None) -> str:
    """Return a part of 1 for people."""
    return "-" if value is None else f"{value:.1%}"


def seconds(value: float | None) -> str:
    """Return a time for people."""
    return "unknown" if value is None else f"{value:.1f} s"
