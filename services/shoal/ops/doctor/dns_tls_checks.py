"""Name, certificate and clock: what stands before every request."""

import asyncio
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from yarl import URL

from shoal.ops.doctor.check import Finding, UnreachableError, broken, ok, skipped, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.probe_context import Visit

SOON_DAYS = 7
"""Cloudflare renews certificates a month before their end"""
TUNNEL_DOWN = (521, 522, 523, 530)
"""Cloudflare's answers when there is no tunnel"""
SKEW_WARNING_S = 5.0
SKEW_BROKEN_S = 60.0
AHEAD_S = 5.0
"""how far the newest segment may end in the future"""


async def _name(visit: Visit) -> Finding:
    if visit.is_local or _is_address(visit.hostname):
        return skipped(f"{visit.hostname} needs no DNS")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            visit.hostname, None, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        return broken(
            f"{visit.hostname} has no address: {error}",
            "`pulumi up` makes the record; is it this zone, and are its name servers Cloudflare's?",
        )
    return ok(", ".join(sorted({str(address[0]) for *_, address in found})))


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


async def _certificate(visit: Visit) -> Finding:
    if not visit.url.startswith("https:"):
        if visit.is_local:
            return skipped("a station on this machine speaks http")
        return broken(
            "http: browsers give WebCrypto only to pages that came over https, so nobody shares",
            f"open https://{visit.hostname}",
        )
    return await _certificate_at(visit.url)


async def _media_certificate(visit: Visit) -> Finding:
    url = (await visit.newest()).url
    if url.startswith("https:"):
        return await _certificate_at(url)
    if visit.url.startswith("https:"):
        return broken(
            f"{URL(url).origin()} is http: browsers refuse it on an https page",
            "SHOAL_MEDIA_URL must be the https URL of the bucket's custom domain",
        )
    return skipped("a store on this machine speaks http")


async def _certificate_at(url: str) -> Finding:
    address = URL(url)
    try:
        _, writer = await asyncio.open_connection(
            address.host, address.port, ssl=ssl.create_default_context()
        )
    except ssl.SSLError as error:
        return broken(
            f"{address.host}: {getattr(error, 'verify_message', '') or error}",
            "the hostname must be one label below the zone for Universal SSL, and, in the bucket's"
            " settings, enabled: look there, or run `pulumi up` again",
        )
    except OSError as error:
        return broken(f"{address.host}: {error}", "is the hostname proxied by Cloudflare?")
    certificate = writer.get_extra_info("peercert")
    writer.close()
    days = int(ssl.cert_time_to_seconds(certificate["notAfter"]) - datetime.now(UTC).timestamp())
    days //= 86400
    if days < SOON_DAYS:
        return warning(
            f"{address.host}: the certificate ends in {days} days",
            "see the zone's SSL/TLS, Edge Certificates: why is it not renewed?",
        )
    return ok(f"{address.host}: valid for {days} days")


async def _connection(visit: Visit) -> Finding:
    try:
        answer = await visit.page()
    except UnreachableError as error:
        return broken(
            str(error),
            "see `name` and `certificate`; does cloudflared run, and has its tunnel this hostname?",
        )
    if answer.status in TUNNEL_DOWN:
        return broken(
            f"{answer}: Cloudflare reaches no tunnel",
            "on the host: `systemctl status cloudflared`; is its token this tunnel's?",
        )
    return ok(f"{visit.url} answers")


async def _clock(visit: Visit) -> Finding:
    answer = await visit.config_answer()
    said = answer.headers.get("Date")
    if said is None:
        return skipped("the answer names no time")
    theirs = parsedate_to_datetime(said).timestamp()
    skew = datetime.now(UTC).timestamp() - theirs
    if abs(skew) > SKEW_WARNING_S:
        what = f"this machine's clock and the station's differ by {abs(skew):.0f} s"
        fix = "set both by NTP: `timedatectl` says how it is"
        return broken(what, fix) if abs(skew) > SKEW_BROKEN_S else warning(what, fix)
    return ok(f"within {SKEW_WARNING_S:.0f} s of this machine's")


async def _programme_clock(visit: Visit) -> Finding:
    playlist = await visit.playlist()
    date = (await visit.playlist_answer()).headers.get("Date")
    if playlist.newest_end is None or date is None:
        return broken(
            "segments have no EXT-X-PROGRAM-DATE-TIME", "is that playlist the broadcaster's?"
        )
    ahead = playlist.newest_end - parsedate_to_datetime(date).timestamp()
    if ahead > AHEAD_S + playlist.target_duration_s:
        return broken(
            f"the newest segment ends {ahead:.0f} s in the future",
            "the host's clock was wrong when the stream began: `timedatectl`, then restart Owncast",
        )
    return ok(f"the newest segment ended {max(-ahead, 0):.0f} s ago")


CHECKS = (
    Check("name", "without an address nobody finds the station", _name),
    Check("certificate", "browsers refuse the page, and sharing needs https", _certificate),
    Check("media certificate", "browsers refuse the segments", _media_certificate),
    Check("connection", "nothing works without", _connection),
    Check("clock", "join tokens last ten minutes, by the station's clock", _clock),
    Check(
        "programme clock", "players reckon from it how far behind live they are", _programme_clock
    ),
)
