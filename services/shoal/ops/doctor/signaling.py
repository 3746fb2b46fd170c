"""Whether viewers of this station find each other, and a piece gets from one to another."""

import asyncio
import hashlib
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from shoal.broadcaster.seeding.canary import Canary, Sample
from shoal.broadcaster.timeline import Timeline
from shoal.ops.doctor import stun
from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.connect_pair import (
    PairError,
    exchange_signals,
    has_interface,
    joined_pair,
    transfer_piece,
)
from shoal.ops.doctor.probe_context import ProbeContext
from shoal.ops.doctor.webrtc_peer import (
    RESPONSE_TIMEOUT_S,
    JoinRefusedError,
    joined_peer,
    open_websocket,
)

FETCH_TIMEOUT_S = 16.0
LONG_TIMEOUT_S = 24.0
TOKEN_FIX = (
    "site and signaling must share one join_secret and receive the same Host header:"
    " `make deploy ARGS='--tags shoal'` gives the secret to both"
)
SEED_FIX = "see `standby` in the broadcaster's /health, and its log"


async def _check_websocket(context: ProbeContext) -> Finding:
    async with open_websocket(context, "/ws/room"):
        return ok("/ws/room accepts WebSockets")


async def _check_join(context: ProbeContext) -> Finding:
    config = await context.config()
    try:
        async with joined_peer(context, config.join_token) as peer:
            return ok(f"joined room {peer.room} with the page's token")
    except JoinRefusedError as error:
        return broken(f"signaling refused the page's token: {error}", TOKEN_FIX)


async def _check_join_guarded(context: ProbeContext) -> Finding:
    try:
        async with joined_peer(context, "1.1.none"):
            return broken(
                "signaling accepted a made-up token",
                "check that /ws/room leads to this station's signaling",
            )
    except JoinRefusedError as error:
        return ok(f"a made-up token is refused: {error.code}")


async def _check_room(context: ProbeContext) -> Finding:
    try:
        async with joined_pair(context) as (first, second):
            await exchange_signals(first, second)
            return ok("two members see each other and exchange signals")
    except (PairError, JoinRefusedError) as error:
        return broken(str(error), "read signaling's log: `journalctl -u 'shoal-signaling*'`")


async def _check_exchange(context: ProbeContext) -> Finding:
    if not has_interface():
        return skipped("this machine has only a loopback interface, which WebRTC does not use")
    newest = await context.newest()
    segment = (await context.segment_response()).body
    if hashlib.sha256(segment).hexdigest() != newest.sha256:
        return skipped("there is no intact segment to send: see `segment`")
    piece = segment[: newest.piece_size]
    try:
        async with joined_pair(context) as (first, second):
            transfer = await transfer_piece(first, second, newest, piece)
    except JoinRefusedError as error:
        return skipped(f"signaling refuses to let a peer join: see `join` ({error})")
    except PairError as error:
        return broken(
            str(error), "see `room` and signaling's log; check that this machine allows UDP"
        )
    return ok(
        f"one peer sent the other {transfer.bytes} bytes over WebRTC in {transfer.seconds:.1f} s"
    )


async def _check_stun(context: ProbeContext) -> Finding:
    servers = [url for server in (await context.config()).ice_servers for url in server.urls]
    addresses = [address for url in servers if (address := stun.address_of(url))]
    if not addresses:
        if context.is_local:
            return skipped("viewers on this machine need no STUN server")
        return warning("the page names no STUN server", "set SHOAL_ICE_SERVERS of the site")
    mapped = await asyncio.gather(*(stun.query(*address) for address in addresses))
    silent = [f"{a[0]}:{a[1]}" for a, found in zip(addresses, mapped, strict=True) if not found]
    if silent:
        return broken(
            f"no response from {', '.join(silent)}",
            "set another server in SHOAL_ICE_SERVERS, or allow UDP from this machine",
        )
    return ok(f"{', '.join(servers)}: they see this machine as {mapped[0]}")


async def _check_tracker(context: ProbeContext) -> Finding:
    config, newest = await asyncio.gather(context.config(), context.newest())
    if newest.infohash is None or config.standby == "off":
        return skipped("this station seeds no torrents")
    info_hash = bytes.fromhex(newest.infohash).decode("latin-1")
    scrape = msgspec.json.encode({"action": "scrape", "info_hash": info_hash}).decode()
    async with open_websocket(context, f"/ws?token={config.join_token}") as socket:
        await socket.send_str(scrape)
        async with asyncio.timeout(RESPONSE_TIMEOUT_S):
            frame = await socket.receive()
    if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return broken("the tracker closed the WebSocket", "read the reason in signaling's log")
    seeders = int(msgspec.json.decode(frame.data)["files"].get(info_hash, {}).get("complete", 0))
    if not seeders:
        return broken(f"the tracker knows no seeder of {newest.name}", SEED_FIX)
    return ok(f"{seeders} seeders of {newest.name}")


async def _check_magnet(context: ProbeContext) -> Finding:
    config, newest = await asyncio.gather(context.config(), context.newest())
    if newest.magnet is None or config.standby == "off":
        return skipped("this station seeds no torrents")
    tracker = parse_qs(urlsplit(newest.magnet).query).get("tr", [""])[0]
    if urlsplit(tracker).hostname != context.hostname:
        return broken(
            f"magnets name the tracker {tracker}",
            "set SHOAL_TRACKER_URL to the tracker of this station",
        )
    servers = [url for server in config.ice_servers for url in server.urls]
    address = next((a for url in servers if (a := stun.address_of(url))), None)
    canary = Canary(Timeline(), stun_server=f"{address[0]}:{address[1]}" if address else "")
    sample = Sample(newest.name, newest.magnet, newest.size, newest.sha256)
    await canary.check(sample, FETCH_TIMEOUT_S)
    if canary.fault is not None:
        return broken(canary.fault, SEED_FIX)
    return ok(f"downloaded all of {newest.name} by its magnet, without the store")


CHECKS = (
    Check("websocket", "without it viewers cannot find each other", _check_websocket),
    Check("join", "a viewer that is refused cannot share", _check_join),
    Check(
        "join guarded", "pages of others must not use this station's viewers", _check_join_guarded
    ),
    Check(
        "room",
        "viewers connect with the help of the signals that it passes on",
        _check_room,
        LONG_TIMEOUT_S,
    ),
    Check(
        "exchange",
        "it proves that viewers can receive video from each other",
        _check_exchange,
        LONG_TIMEOUT_S,
    ),
    Check("stun", "viewers behind NATs need it to reach each other", _check_stun),
    Check("tracker", "viewers find the torrent seed through it", _check_tracker),
    Check("magnet", "it carries the stream when the store fails", _check_magnet, LONG_TIMEOUT_S),
)
