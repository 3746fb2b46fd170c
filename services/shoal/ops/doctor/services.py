"""What our services say of themselves, asked on their own ports."""

from functools import partial
from typing import Literal

import msgspec

from shoal.broadcaster.health import Health
from shoal.ops.doctor.check import (
    Finding,
    NoAnswerError,
    NotKnownError,
    broken,
    ok,
    skipped,
    warning,
)
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.commands import output_of
from shoal.ops.doctor.probe_context import Visit

Named = Literal["broadcaster", "signaling", "site"]
LATE_SEGMENTS = 4
"""target durations without a segment that are too many"""
AT_LEAST_S = 10.0


async def _health(visit: Visit) -> Health:
    try:
        answer = await visit.get(f"{visit.place.broadcaster}/health")
        return msgspec.json.decode(answer.body, type=Health)
    except (NoAnswerError, msgspec.DecodeError) as error:
        raise NotKnownError(f"the broadcaster does not say: see `broadcaster` ({error})") from None


async def _service(name: Named, visit: Visit) -> Finding:
    url: str = getattr(visit.place, name)
    answer = await visit.get(f"{url}/health")
    if answer.who != name:
        return broken(f"{answer}: not the {name}", f"what else listens there? `ss -ltnp` on {url}")
    said = str(msgspec.json.decode(answer.body, type=_Status).status)
    if said != "ok":
        return broken(f"says {said}: {answer.text[:400]}", f"`journalctl -u 'shoal-{name}*'`")
    return ok(f"{url} says ok")


class _Status(msgspec.Struct):
    status: str


async def _problems(visit: Visit) -> Finding:
    health = await _health(visit)
    if health.problems:
        lines = "; ".join(f"{problem.code}: {problem.message}" for problem in health.problems)
        return broken(lines, "each problem names its own remedy; they clear by themselves")
    return ok("none")


async def _publishing(visit: Visit) -> Finding:
    health, online = await _health(visit), await _online(visit)
    if not online:
        return skipped("off air: nobody pushes to Owncast")
    age_s = health.last_segment_age_s
    if not health.live or age_s is None:
        return broken(
            "Owncast is online, and the broadcaster publishes nothing",
            "see `hls folder`, and the broadcaster's log",
        )
    limit_s = max(AT_LEAST_S, LATE_SEGMENTS * (await visit.playlist()).target_duration_s)
    if age_s > limit_s:
        return broken(
            f"Owncast is online, and the newest segment was published {age_s:.0f} s ago",
            "see `hls folder` and `store`, and the broadcaster's log",
        )
    return ok(f"the newest segment was published {age_s:.1f} s ago")


class _OwncastStatus(msgspec.Struct):
    online: bool


async def _online(visit: Visit) -> bool:
    try:
        answer = await visit.get(f"{visit.place.owncast}/api/status")
        return msgspec.json.decode(answer.body, type=_OwncastStatus).online
    except (NoAnswerError, msgspec.DecodeError):
        raise NotKnownError("Owncast does not say: see `owncast version`") from None


async def _connected(visit: Visit) -> Finding:
    health = await _health(visit)
    if health.signaling != "connected":
        return broken(
            "the broadcaster is not connected to signaling: viewers hear of segments late",
            "does signaling run, with the same broadcaster_token?",
        )
    return ok("connected")


async def _uploads(visit: Visit) -> Finding:
    if (await _health(visit)).store != "ok":
        return broken("uploads fail", "R2's keys, bucket and endpoint: the broadcaster's log")
    return ok("uploads succeed")


async def _standby(visit: Visit) -> Finding:
    match (await _health(visit)).standby:
        case "off":
            return skipped("SHOAL_STANDBY is off, or there was nothing to fetch yet")
        case "failing":
            return broken("the seeder's own check fails", "see the broadcaster's log")
        case "ok":
            return ok("the seeder's own check succeeds")


async def _units(visit: Visit) -> Finding:
    units = visit.place.units
    if not units:
        return skipped("`shoal up` minds the processes here")
    said = (await output_of("systemctl", "is-active", *units)).split()
    if len(said) != len(units):
        return skipped("systemd does not say")
    down = [unit for unit, state in zip(units, said, strict=True) if state != "active"]
    if down:
        return broken(f"{', '.join(down)} do not run", f"`systemctl status {' '.join(down)}`")
    return ok(f"{', '.join(units)} run")


async def _bypass(visit: Visit) -> Finding:
    class Status(msgspec.Struct):
        viewerCount: int = 0  # noqa: N815 - Owncast's name

    answer = await visit.get(f"{visit.place.owncast}/api/status")
    viewers = msgspec.json.decode(answer.body, type=Status).viewerCount
    if viewers:
        return warning(
            f"Owncast counts {viewers} viewers of its own playlist: EC2 pays for their video",
            "close /hls (`/hls closed`), and Owncast's port to the world",
        )
    return ok("nobody plays Owncast's own playlist")


CHECKS = (
    *(
        Check(name, "a service that is not well fails others", partial(_service, name))
        for name in ("broadcaster", "signaling", "site")
    ),
    Check("problems", "what the broadcaster cannot mend itself", _problems),
    Check("publishing", "a broadcaster that stands still may look well", _publishing),
    Check("announcing", "viewers share what they are told of", _connected),
    Check("uploads", "viewers have nothing to fetch without", _uploads),
    Check("standby", "it carries the stream when the store fails", _standby),
    Check("units", "what is not running after a boot is missed later", _units),
    Check("bypass", "the earlier station sent all its video so, unnoticed", _bypass),
)
