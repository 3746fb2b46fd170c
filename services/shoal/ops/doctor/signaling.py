"""Whether viewers find each other here, and a piece gets from one to another."""

import asyncio
import hashlib
from urllib.parse import parse_qs, urlsplit

import aiohttp
import msgspec

from shoal.broadcaster.seeding.canary import Canary, Sample
from shoal.ops.doctor import stun
from shoal.ops.doctor.check import Finding, broken, ok, skipped, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.connect_pair import (
    ExchangeError,
    couple,
    exchange,
    has_interface,
    pass_signals,
)
from shoal.ops.doctor.probe_context import Visit
from shoal.ops.doctor.webrtc_peer import ANSWER_TIMEOUT_S, RefusedError, member, socket_to

FETCH_LIMIT_S = 16.0
LONG_S = 24.0
TOKEN_FIX = (
    "site and signaling must have the same join_secret, and see the same Host:"
    " `make deploy ARGS='--tags shoal'` gives it to both"
)


async def _websocket(visit: Visit) -> Finding:
    async with socket_to(visit, "/ws/room"):
        return ok("/ws/room takes WebSockets")


async def _join(visit: Visit) -> Finding:
    config = await visit.config()
    try:
        async with member(visit, config.join_token) as joined:
            return ok(f"joined room {joined.room} with the page's token")
    except RefusedError as error:
        return broken(f"refused with the page's token: {error}", TOKEN_FIX)


async def _guarded(visit: Visit) -> Finding:
    try:
        async with member(visit, "1.1.none"):
            return broken("a made-up token was let in", "is that our signaling?")
    except RefusedError as error:
        return ok(f"a made-up token is refused: {error.code}")


async def _room(visit: Visit) -> Finding:
    try:
        async with couple(visit) as (first, second):
            await pass_signals(first, second)
            return ok("two members see each other, and what they say is passed on")
    except (ExchangeError, RefusedError) as error:
        return broken(str(error), "see signaling's log: `journalctl -u 'shoal-signaling*'`")


async def _exchange(visit: Visit) -> Finding:
    if not has_interface():
        return skipped("this machine has no network but its loopback, which WebRTC does not use")
    newest = await visit.newest()
    segment = (await visit.segment_answer()).body
    if hashlib.sha256(segment).hexdigest() != newest.sha256:
        return skipped("there is nothing to give: see `segment`")
    piece = segment[: newest.piece_size]
    try:
        async with couple(visit) as (first, second):
            moved = await exchange(first, second, newest, piece)
    except RefusedError as error:
        return skipped(f"nobody is let in: see `join` ({error})")
    except ExchangeError as error:
        return broken(str(error), "see `room` and signaling's log; is UDP open on this machine?")
    return ok(f"{moved.bytes} bytes from one to the other over WebRTC in {moved.seconds:.1f} s")


async def _stun(visit: Visit) -> Finding:
    servers = [url for server in (await visit.config()).ice_servers for url in server.urls]
    addresses = [address for url in servers if (address := stun.address_of(url))]
    if not addresses:
        if visit.is_local:
            return skipped("viewers on this machine need none")
        return warning("the page names no STUN server", "set SHOAL_ICE_SERVERS of the site")
    seen = await asyncio.gather(*(stun.ask(*address) for address in addresses))
    silent = [f"{a[0]}:{a[1]}" for a, answer in zip(addresses, seen, strict=True) if not answer]
    if silent:
        return broken(
            f"no answer of {', '.join(silent)}",
            "name another in SHOAL_ICE_SERVERS; or is UDP closed here?",
        )
    return ok(f"{', '.join(servers)}: we are {seen[0]}")


async def _tracker(visit: Visit) -> Finding:
    config, newest = await asyncio.gather(visit.config(), visit.newest())
    if newest.infohash is None or config.standby == "off":
        return skipped("this station seeds no torrents")
    info_hash = bytes.fromhex(newest.infohash).decode("latin-1")
    question = msgspec.json.encode({"action": "scrape", "info_hash": info_hash}).decode()
    async with socket_to(visit, f"/ws?token={config.join_token}") as socket:
        await socket.send_str(question)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            frame = await socket.receive()
    if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
        return broken("the tracker ends the socket", "see signaling's log")
    seeders = int(msgspec.json.decode(frame.data)["files"].get(info_hash, {}).get("complete", 0))
    if not seeders:
        return broken(f"the tracker knows no seeder of {newest.name}", STANDBY_FIX)
    return ok(f"{seeders} seeders of {newest.name}")


STANDBY_FIX = "see `standby` in the broadcaster's /health, and its log"


async def _magnet(visit: Visit) -> Finding:
    config, newest = await asyncio.gather(visit.config(), visit.newest())
    if newest.magnet is None or config.standby == "off":
        return skipped("this station seeds no torrents")
    tracker = parse_qs(urlsplit(newest.magnet).query).get("tr", [""])[0]
    if urlsplit(tracker).hostname != visit.hostname:
        return broken(
            f"magnets name the tracker {tracker}", "set SHOAL_TRACKER_URL to the station's"
        )
    servers = [url for server in config.ice_servers for url in server.urls]
    address = next((a for url in servers if (a := stun.address_of(url))), None)
    canary = Canary(lambda: None, stun_server=f"{address[0]}:{address[1]}" if address else "")
    sample = Sample(newest.name, newest.magnet, newest.size, newest.sha256)
    await canary.check(sample, FETCH_LIMIT_S)
    if canary.fault is not None:
        return broken(canary.fault, STANDBY_FIX)
    return ok(f"{newest.name} came whole from its magnet, without the store")


CHECKS = (
    Check("websocket", "without it no viewer finds another", _websocket),
    Check("join", "a viewer who is refused shares with nobody", _join),
    Check("join guarded", "strangers' pages must not use our viewers", _guarded),
    Check("room", "viewers connect by what signaling passes on", _room, LONG_S),
    Check("exchange", "the proof that video can come from viewers", _exchange, LONG_S),
    Check("stun", "behind NATs viewers need it to reach each other", _stun),
    Check("tracker", "the standby is found by it", _tracker),
    Check("magnet", "it carries the stream when the store fails", _magnet, LONG_S),
)
