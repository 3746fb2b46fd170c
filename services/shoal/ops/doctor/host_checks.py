"""The host itself: who may read Owncast's folder, room on its disks, its clock."""

import asyncio
import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from shoal.ops.doctor.check import Finding, NotKnownError, broken, ok, skipped, warning
from shoal.ops.doctor.checks import Check
from shoal.ops.doctor.commands import output_of
from shoal.ops.doctor.probe_context import Visit

LITTLE_PART = 0.05
LITTLE_BYTES = 500_000_000
NOTHING_BYTES = 50_000_000
LOOK_TIMEOUT_S = 5.0
ROOM_FIX = "make room, or give it a larger disk"
PROBE = """
import errno, os, sys
root, uid, gid, *groups = sys.argv[1:]
if os.geteuid() == 0:
    os.setgroups([int(group) for group in groups])
    os.setgid(int(gid))
    os.setuid(int(uid))
def failed(error):
    if error.errno != errno.ENOENT or error.filename == root:
        sys.exit(f"{error.filename}: {error.strerror}")
for folder, _, names in os.walk(root, onerror=failed):
    for name in sorted(names):
        path = os.path.join(folder, name)
        if not os.access(path, os.R_OK) and os.path.lexists(path):
            sys.exit(f"{path}: Permission denied")
"""
"""Reads a folder as the broadcaster does, whose user need not be able to start our Python. What
vanishes meanwhile is no fault."""


@dataclass(frozen=True)
class User:
    """As whom a process runs."""

    uid: int
    gid: int
    groups: tuple[int, ...]

    @property
    def name(self) -> str:
        """The account's name, or its number."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def user_of(status: str) -> User:
    """Return the effective user of a process, by the text of its /proc/PID/status."""
    fields = {
        name: rest.split() for name, _, rest in (s.partition(":") for s in status.splitlines())
    }
    groups = tuple(map(int, fields["Groups"]))
    return User(int(fields["Uid"][1]), int(fields["Gid"][1]), groups)


async def _folder(visit: Visit) -> Finding:
    place = visit.place
    user = _reader(place.broadcaster_pid)
    fault = await why_unreadable(place.hls_dir, user)
    if fault is not None:
        return broken(
            f"the broadcaster's user {user.name} cannot read {fault}{_owner(place.hls_dir)}",
            "give its group the right, in a way that outlives a new stream: a setgid folder with a"
            " default ACL (ansible: role owncast)",
        )
    return ok(f"{user.name} reads {place.hls_dir}{_owner(place.hls_dir)}")


def _reader(pid: int | None) -> User:
    if pid is None:
        raise NotKnownError("the broadcaster does not run: see `broadcaster`")
    try:
        return user_of(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        raise NotKnownError("the broadcaster's process is gone: see `broadcaster`") from None


def _owner(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f" (mode {status.st_mode & 0o7777:04o}, owner {User(status.st_uid, 0, ()).name})"


async def why_unreadable(folder: Path, user: User) -> str | None:
    """Say what a user cannot read in a folder; None when all can be read.

    Looked at as that user, so that ACLs and folders above count: only root can become another one,
    and NotKnownError is raised for anybody else.
    """
    if os.geteuid() not in (0, user.uid):
        raise NotKnownError(f"only root can look as {user.name}")
    identity = map(str, (user.uid, user.gid, *user.groups))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", PROBE),
        *(str(folder), *identity),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return said.decode().strip().splitlines()[-1] if process.returncode else None


async def _disk(visit: Visit) -> Finding:
    usages = [(path, shutil.disk_usage(path)) for path in visit.place.disks]
    rooms = [room(str(path), usage.free, usage.total) for path, usage in usages]
    worst = next((r for state in ("broken", "warning") for r in rooms if r.state == state), None)
    return worst or ok("; ".join(r.saw for r in rooms))


def room(path: str, free: int, total: int) -> Finding:
    """Judge a disk by its bytes."""
    saw = f"{path}: {free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
    if free < min(NOTHING_BYTES, total * LITTLE_PART):
        return broken(saw, ROOM_FIX)
    if free < min(LITTLE_BYTES, total * LITTLE_PART):
        return warning(saw, ROOM_FIX)
    return ok(saw)


async def _synchronised(visit: Visit) -> Finding:
    _ = visit.place  # what is asked is the host's clock
    said = await output_of("timedatectl", "show", "--property=NTPSynchronized", "--value")
    match said.strip():
        case "yes":
            return ok("synchronised")
        case "no":
            return warning("not synchronised", "`systemctl status systemd-timesyncd`")
        case _:
            return skipped("systemd does not say: see `clock`")


CHECKS = (
    Check("hls folder", "the earlier station stopped by `EACCES` in it, after hours", _folder),
    Check("disk", "a full disk stops the broadcaster", _disk),
    Check("host clock", "join tokens and players' delay come from it", _synchronised),
)
