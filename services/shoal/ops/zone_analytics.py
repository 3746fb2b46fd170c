"""What Cloudflare's edge sent for the media hostname, from its zone analytics (GraphQL).

An independent counter: the edge counts every request, while viewers only report what they received.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from shoal.ops.report_model import ZoneCount

API = "https://api.cloudflare.com/client/v4/graphql"
TIMEOUT_S = 10.0

QUERY = """
query ($zone: string!, $host: string!, $since: Time!, $until: Time!) {
  viewer {
    zones(filter: {zoneTag: $zone}) {
      sent: httpRequestsAdaptiveGroups(
        limit: 1
        filter: {
          clientRequestHTTPHost: $host
          requestSource: "eyeball"
          datetime_geq: $since
          datetime_lt: $until
        }
      ) {
        count
        sum { edgeResponseBytes }
        avg { sampleInterval }
      }
    }
  }
}
"""


class _Sum(msgspec.Struct, rename="camel"):
    edge_response_bytes: int


class _Average(msgspec.Struct, rename="camel"):
    sample_interval: float


class _Group(msgspec.Struct):
    count: int
    sum: _Sum
    avg: _Average


class _Zone(msgspec.Struct):
    sent: list[_Group]


class _Viewer(msgspec.Struct):
    zones: list[_Zone]


class _Data(msgspec.Struct):
    viewer: _Viewer


class _Error(msgspec.Struct):
    message: str


class _Response(msgspec.Struct):
    data: _Data | None = None
    errors: list[_Error] | None = None


@dataclass(frozen=True)
class ZoneAccess:
    """How to query one zone."""

    zone: str
    """its id"""
    token: str
    """with read access to the zone's analytics"""
    api: str = API


async def fetch_edge_bytes(
    access: ZoneAccess, host: str, since: datetime, until: datetime
) -> ZoneCount | str:
    """Return what the edge sent for `host` between two times, or why that is not known."""
    variables = {"zone": access.zone, "host": host, "since": _time(since), "until": _time(until)}
    body: dict[str, Any] = {"query": QUERY, "variables": variables}
    headers = {"Authorization": f"Bearer {access.token}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(access.api, json=body, headers=headers) as response,
        ):
            if response.status != 200:
                return (
                    f"Cloudflare answered {response.status}: check that the token may read the"
                    " zone's analytics"
                )
            result = msgspec.json.decode(await response.read(), type=_Response)
    except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
        return f"Cloudflare's analytics do not answer ({type(error).__name__})"
    if result.errors:
        return f"Cloudflare's analytics refuse the query: {result.errors[0].message}"
    if result.data is None or not result.data.viewer.zones:
        return (
            f"Cloudflare's analytics know no zone {access.zone}: check its ID, and that the token"
            " may read it"
        )
    groups = result.data.viewer.zones[0].sent
    return ZoneCount(
        host=host,
        since=since.isoformat(timespec="seconds"),
        bytes=sum(group.sum.edge_response_bytes for group in groups),
        requests=sum(group.count for group in groups),
        sampled=any(group.avg.sample_interval > 1 for group in groups),
    )


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
