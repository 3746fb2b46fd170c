"""DNS, TLS, connection and clock: what every request depends on."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from yarl import URL

from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.probe_context import ProbeContext, UnreachableError

EXPIRES_SOON_DAYS = 7
"""Cloudflare renews certificates a month before they expire"""
TUNNEL_DOWN = (521, 522, 523, 530)
"""Cloudflare's status codes when there is no tunnel"""
SKEW_WARNING_S = 5.0
SKEW_BROKEN_S = 60.0
MAX_AHEAD_S = 5.0
"""how far in the future the newest segment may end"""


async def _check_dns(context: ProbeContext) -> Finding:
    if context.is_local or _is_address(context.hostname):
        return skipped(f"{context.hostname} needs no DNS")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            context.hostname, None, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        return broken(
            f"{context.hostname} has no address: {error}",
            "`pulumi up` creates the DNS record. Is the hostname in the right zone, and does the"
            " zone use Cloudflare's name servers?",
        )
    return ok(", ".join(sorted({str(address[0]) for *_, address in found})))


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


async def _check_certificate(context: ProbeContext) -> Finding:
    if not context.url.startswith("https:"):
        if context.is_local:
            return skipped("a station on this machine uses http")
        return broken(
            "the URL is http: browsers offer WebCrypto only to https pages, so no viewer shares",
            f"open https://{context.hostname}",
        )
    return await _verify_certificate(context.url)


async def _check_media_certificate(context: ProbeContext) -> Finding:
    url = (await context.newest()).url
    if url.startswith("https:"):
        return await _verify_certificate(url)
    if context.url.startswith("https:"):
        return broken(
            f"{URL(url).origin()} is http: browsers block it on an https page",
            "set SHOAL_MEDIA_URL to the https URL of the bucket's custom domain",
        )
    return skipped("a store on this machine uses http")


async def _verify_certificate(url: str) -> Finding:
    address = URL(url)
    try:
        _, writer = await asyncio.open_connection(
            address.host, address.port, ssl=ssl.create_default_context()
        )
    except ssl.SSLError as error:
        return broken(
            f"{address.host}: {getattr(error, 'verify_message', '') or error}",
            "Universal SSL covers hostnames one label below the zone; a media hostname must also"
            " be enabled as the bucket's custom domain. Check both, or run `pulumi up` again",
        )
    except OSError as error:
        return broken(
            f"{address.host}: {error}",
            "check in the zone's DNS settings that Cloudflare proxies this hostname",
        )
    certificate = writer.get_extra_info("peercert")
    writer.close()
    days = int(ssl.cert_time_to_seconds(certificate["notAfter"]) - datetime.now(UTC).timestamp())
    days //= 86400
    if days < EXPIRES_SOON_DAYS:
        return warning(
            f"{address.host}: the certificate expires in {days} days",
            "find out under SSL/TLS, Edge Certificates in the zone why it has not been renewed",
        )
    return ok(f"{address.host}: valid for {days} days")


async def _check_connection(context: ProbeContext) -> Finding:
    try:
        response = await context.page()
    except UnreachableError as error:
        return broken(
            str(error),
            "see `name` and `certificate`; check that cloudflared is running and that its tunnel"
            " serves this hostname",
        )
    if response.status in TUNNEL_DOWN:
        return broken(
            f"{response}: Cloudflare cannot reach the tunnel",
            "on the host, run `systemctl status cloudflared`, and check that its token is the one"
            " of this tunnel",
        )
    return ok(f"{context.url} answers")


async def _check_clock(context: ProbeContext) -> Finding:
    response = await context.config_response()
    date = response.headers.get("Date")
    if date is None:
        return skipped("the response has no Date header")
    station_time = parsedate_to_datetime(date).timestamp()
    skew = datetime.now(UTC).timestamp() - station_time
    if abs(skew) > SKEW_WARNING_S:
        saw = f"this machine's clock and the station's differ by {abs(skew):.0f} s"
        fix = "synchronize both with NTP: `timedatectl` shows the state of each"
        return broken(saw, fix) if abs(skew) > SKEW_BROKEN_S else warning(saw, fix)
    return ok(f"within {SKEW_WARNING_S:.0f} s of this machine's clock")


async def _check_program_clock(context: ProbeContext) -> Finding:
    playlist = await context.playlist()
    date = (await context.playlist_response()).headers.get("Date")
    if playlist.newest_end is None or date is None:
        return broken(
            "segments have no EXT-X-PROGRAM-DATE-TIME",
            "check that the broadcaster, and nothing else, serves this playlist",
        )
    ahead = playlist.newest_end - parsedate_to_datetime(date).timestamp()
    if ahead > MAX_AHEAD_S + playlist.target_duration_s:
        return broken(
            f"the newest segment ends {ahead:.0f} s in the future",
            "the host's clock was wrong when the stream began: check it with `timedatectl`, then"
            " restart Owncast",
        )
    return ok(f"the newest segment ended {max(-ahead, 0):.0f} s ago")


CHECKS = (
    Check("name", "without an address the station cannot be found", _check_dns),
    Check("certificate", "browsers refuse the page, and sharing needs https", _check_certificate),
    Check("media certificate", "browsers refuse the segments", _check_media_certificate),
    Check("connection", "nothing works without it", _check_connection),
    Check("clock", "join tokens are valid for ten minutes, by the station's clock", _check_clock),
    Check(
        "programme clock",
        "players compute their delay behind live from it",
        _check_program_clock,
    ),
)
