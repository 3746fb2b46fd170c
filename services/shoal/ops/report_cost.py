"""The report's costs: so far, and for 100 viewers for an hour, in three columns."""

from collections.abc import Sequence

import msgspec

from shoal.api_types import RunningCost
from shoal.local.variants import DEFAULT_KBPS
from shoal.ops.cost_model import Load, default_share, estimate_cost
from shoal.segments import Descriptor

VIEWERS = 100
DEFAULT_SEGMENT_S = 5.0


class Columns(msgspec.Struct, frozen=True):
    """US dollars at list prices, for three ways to bring a stream to its viewers."""

    ec2_direct: float
    r2: float
    r2_p2p: float


class ReportCost(msgspec.Struct, frozen=True, kw_only=True):
    """Costs of traffic, without the host itself."""

    prices_as_of: str
    so_far: Columns | None
    """since the services started; null while any part of it is not known"""
    per_100_viewers_and_hour: Columns
    bitrate_kbps: int
    """that this assumes: the bitrate of the first variant's newest segments"""
    segment_s: float
    share: float
    """that this assumes, 0 to 1"""
    measured: bool
    """whether `share` is this station's of the last 24 hours, and not what rooms usually reach"""


def report_cost(
    so_far: RunningCost | None, segments: Sequence[Descriptor], measured_share: float | None
) -> ReportCost:
    """Return the costs; without segments they assume a stream of the default bitrate."""
    seconds = sum(segment.duration for segment in segments)
    size = sum(segment.size for segment in segments)
    share = default_share(VIEWERS) if measured_share is None else measured_share
    load = Load(
        viewers=VIEWERS,
        hours=1,
        bitrate_kbps=round(size * 8 / seconds / 1000) if seconds else DEFAULT_KBPS,
        segment_s=seconds / len(segments) if seconds else DEFAULT_SEGMENT_S,
        share=min(share, 1 - 1 / VIEWERS),
    )
    estimate = estimate_cost(load)
    columns = estimate.columns
    return ReportCost(
        prices_as_of=estimate.prices_as_of,
        so_far=so_far and Columns(so_far.ec2_direct_usd, so_far.r2_usd, so_far.usd),
        per_100_viewers_and_hour=Columns(
            columns["ec2_direct"].list_usd_per_hour,
            columns["r2"].list_usd_per_hour,
            columns["r2_p2p"].list_usd_per_hour,
        ),
        bitrate_kbps=load.bitrate_kbps,
        segment_s=load.segment_s,
        share=load.share,
        measured=measured_share is not None,
    )
