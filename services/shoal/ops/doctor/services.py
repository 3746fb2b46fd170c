"""What the services report about themselves, asked on their own ports."""

from functools import partial
from typing import Literal

import msgspec

from shoal.broadcaster.health import Health
from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.commands import output_of
from shoal.ops.doctor.probe_context import CannotCheckError, NoAnswerError, ProbeContext

ServiceName = Literal["broadcaster", "signaling", "site"]
MAX_AGE_TARGET_DURATIONS = 4
"""target durations without a segment after which the station stands still"""
MIN_AGE_LIMIT_S = 10.0


async def _broadcaster_health(context: ProbeContext) -> Health:
    try:
        response = await context.get(f"{context.host.broadcaster}/health")
        return msgspec.json.decode(response.body, type=Health)
    except (NoAnswerError, msgspec.DecodeError) as error:
        raise CannotCheckError(
            f"the broadcaster reports no health: see `broadcaster` ({error})"
        ) from None


async def _check_service(name: ServiceName, context: ProbeContext) -> Finding:
    url: str = getattr(context.host, name)
    response = await context.get(f"{url}/health")
    if response.service != name:
        return broken(
            f"{response}: not the {name}",
            f"find out with `ss -ltnp` what else listens at {url}",
        )
    status = str(msgspec.json.decode(response.body, type=_Status).status)
    if status != "ok":
        return broken(
            f"its health is {status}: {response.text[:400]}",
            f"read its log: `journalctl -u 'shoal-{name}*'`",
        )
    return ok(f"{url} reports ok")


class _Status(msgspec.Struct):
    status: str


async def _check_problems(context: ProbeContext) -> Finding:
    health = await _broadcaster_health(context)
    if health.problems:
        lines = "; ".join(f"{problem.code}: {problem.message}" for problem in health.problems)
        return broken(lines, "do what each problem's message says; problems clear by themselves")
    return ok("none")


async def _check_publishing(context: ProbeContext) -> Finding:
    health, online = await _broadcaster_health(context), await _is_owncast_online(context)
    if not online:
        return skipped("off air: nothing is streaming to Owncast")
    age_s = health.last_segment_age_s
    if not health.live or age_s is None:
        return broken(
            "Owncast is online, but the broadcaster publishes nothing",
            "see `hls folder`, and the broadcaster's log",
        )
    limit_s = max(
        MIN_AGE_LIMIT_S, MAX_AGE_TARGET_DURATIONS * (await context.playlist()).target_duration_s
    )
    if age_s > limit_s:
        return broken(
            f"Owncast is online, but the newest segment was published {age_s:.0f} s ago",
            "see `hls folder` and `store`, and the broadcaster's log",
        )
    return ok(f"the newest segment was published {age_s:.1f} s ago")


class _OwncastStatus(msgspec.Struct):
    online: bool


async def _is_owncast_online(context: ProbeContext) -> bool:
    try:
        response = await context.get(f"{context.host.owncast}/api/status")
        return msgspec.json.decode(response.body, type=_OwncastStatus).online
    except (NoAnswerError, msgspec.DecodeError):
        raise CannotCheckError("Owncast reports no status: see `owncast version`") from None


async def _check_announcing(context: ProbeContext) -> Finding:
    health = await _broadcaster_health(context)
    if health.signaling != "connected":
        return broken(
            "the broadcaster is not connected to signaling: viewers learn of segments late",
            "check that signaling is running and has the same broadcaster_token",
        )
    return ok("connected")


async def _check_uploads(context: ProbeContext) -> Finding:
    if (await _broadcaster_health(context)).store != "ok":
        return broken(
            "uploads fail",
            "read the reason in the broadcaster's log, and check R2's keys, bucket and endpoint",
        )
    return ok("uploads succeed")


async def _check_standby(context: ProbeContext) -> Finding:
    match (await _broadcaster_health(context)).standby:
        case "off":
            return skipped("SHOAL_STANDBY is off, or there has been nothing to fetch yet")
        case "failing":
            return broken(
                "the torrent seed fails its own test download",
                "read the reason in the broadcaster's log",
            )
        case "ok":
            return ok("the torrent seed passes its own test download")


async def _check_units(context: ProbeContext) -> Finding:
    units = context.host.units
    if not units:
        return skipped("`shoal up` supervises the processes here")
    states = (await output_of("systemctl", "is-active", *units)).split()
    if len(states) != len(units):
        return skipped("systemctl does not report the state of the units")
    down = [unit for unit, state in zip(units, states, strict=True) if state != "active"]
    if down:
        return broken(f"not running: {', '.join(down)}", f"`systemctl status {' '.join(down)}`")
    return ok(f"running: {', '.join(units)}")


async def _check_bypass(context: ProbeContext) -> Finding:
    class Status(msgspec.Struct):
        viewerCount: int = 0  # noqa: N815 - Owncast's name

    response = await context.get(f"{context.host.owncast}/api/status")
    viewers = msgspec.json.decode(response.body, type=Status).viewerCount
    if viewers:
        return warning(
            f"Owncast counts {viewers} viewers of its own playlist, who take video from EC2",
            "close /hls (see `/hls closed`), and Owncast's port to the internet",
        )
    return ok("nobody plays Owncast's own playlist")


CHECKS = (
    *(
        Check(name, "an unhealthy service affects the others", partial(_check_service, name))
        for name in ("broadcaster", "signaling", "site")
    ),
    Check("problems", "the broadcaster cannot fix these by itself", _check_problems),
    Check("publishing", "a broadcaster that stands still may look healthy", _check_publishing),
    Check("announcing", "viewers share the segments that are announced to them", _check_announcing),
    Check("uploads", "without them viewers have nothing to fetch", _check_uploads),
    Check("standby", "it carries the stream when the store fails", _check_standby),
    Check("units", "a unit that is down after a reboot is noticed too late", _check_units),
    Check("bypass", "an earlier station sent all its video this way, unnoticed", _check_bypass),
)
