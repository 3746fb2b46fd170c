"""The host itself: access to Owncast's folder, free space on its disks, its clock."""

import asyncio
import os
import pwd
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from shoal.ops.doctor.check import Check, Finding, broken, ok, skipped, warning
from shoal.ops.doctor.commands import output_of
from shoal.ops.doctor.probe_context import CannotCheckError, ProbeContext

LOW_FRACTION = 0.05
LOW_BYTES = 500_000_000
FULL_BYTES = 50_000_000
READ_TIMEOUT_S = 5.0
SPACE_FIX = "free some space, or give the host a larger disk"
READ_SCRIPT = """
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
"""Reads a folder as the broadcaster does, whose user may be unable to start our Python. Files that
vanish in the meantime are not a fault."""


@dataclass(frozen=True)
class User:
    """The user and groups that a process runs as."""

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


def parse_user(status: str) -> User:
    """Return the effective user of a process from the text of its /proc/PID/status."""
    fields = {
        name: rest.split() for name, _, rest in (s.partition(":") for s in status.splitlines())
    }
    groups = tuple(map(int, fields["Groups"]))
    return User(int(fields["Uid"][1]), int(fields["Gid"][1]), groups)


async def _check_hls_folder(context: ProbeContext) -> Finding:
    host = context.host
    user = _broadcaster_user(host.broadcaster_pid)
    unreadable = await find_unreadable(host.hls_dir, user)
    if unreadable is not None:
        return broken(
            f"the broadcaster's user {user.name} cannot read {unreadable}"
            f"{_mode_and_owner(host.hls_dir)}",
            "give the broadcaster's group access that survives a new stream: a setgid folder with"
            " a default ACL, as the Ansible role owncast sets it up",
        )
    return ok(f"{user.name} can read {host.hls_dir}{_mode_and_owner(host.hls_dir)}")


def _broadcaster_user(pid: int | None) -> User:
    if pid is None:
        raise CannotCheckError("the broadcaster is not running: see `broadcaster`")
    try:
        return parse_user(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        raise CannotCheckError("the broadcaster's process has ended: see `broadcaster`") from None


def _mode_and_owner(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return f" (mode {status.st_mode & 0o7777:04o}, owner {User(status.st_uid, 0, ()).name})"


async def find_unreadable(folder: Path, user: User) -> str | None:
    """Return what a user cannot read in a folder, with the reason; None if all is readable.

    It is read as that user, so that ACLs and parent folders count. Only root can become another
    user: raises CannotCheckError for anyone else.
    """
    if os.geteuid() not in (0, user.uid):
        raise CannotCheckError(f"only root can read the folder as the user {user.name}")
    identity = map(str, (user.uid, user.gid, *user.groups))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", READ_SCRIPT),
        *(str(folder), *identity),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            _, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return stderr.decode().strip().splitlines()[-1] if process.returncode else None


async def _check_disks(context: ProbeContext) -> Finding:
    usages = [(path, shutil.disk_usage(path)) for path in context.host.disks]
    found = [judge_free_space(str(path), usage.free, usage.total) for path, usage in usages]
    worst = next((f for state in ("broken", "warning") for f in found if f.state == state), None)
    return worst or ok("; ".join(f.saw for f in found))


def judge_free_space(path: str, free: int, total: int) -> Finding:
    """Return the finding for a disk with `free` bytes free."""
    saw = f"{path}: {free / 1e9:.1f} GB of {total / 1e9:.1f} GB are free"
    if free < min(FULL_BYTES, total * LOW_FRACTION):
        return broken(saw, SPACE_FIX)
    if free < min(LOW_BYTES, total * LOW_FRACTION):
        return warning(saw, SPACE_FIX)
    return ok(saw)


async def _check_ntp(context: ProbeContext) -> Finding:
    _ = context.host  # only the host's own clock is of interest
    output = await output_of("timedatectl", "show", "--property=NTPSynchronized", "--value")
    match output.strip():
        case "yes":
            return ok("synchronized")
        case "no":
            return warning("not synchronized with NTP", "see `systemctl status systemd-timesyncd`")
        case _:
            return skipped("systemd does not say whether it is synchronized: see `clock`")


CHECKS = (
    Check(
        "hls folder",
        "an earlier station stopped after hours because of `EACCES` in it",
        _check_hls_folder,
    ),
    Check("disk", "a full disk stops the broadcaster", _check_disks),
    Check("host clock", "join tokens and the players' delay depend on it", _check_ntp),
)
