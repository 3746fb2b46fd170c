"""Explains why a folder that belongs to another user cannot be read, and what to do about it."""

import os
import pwd
import stat
from pathlib import Path


def explain_read_error(path: Path, error: OSError) -> str:
    """Return a message for the operator; for a permission error with mode, owner and our user."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: is Owncast running, and is SHOAL_HLS_DIR its data/hls?"
    if not isinstance(error, PermissionError):
        return f"cannot read {path}: {error.strerror}"
    barrier, status = _deepest_visible(path)
    return (
        f"permission denied: {path}; {barrier} has mode {stat.S_IMODE(status.st_mode):04o} and"
        f" owner {_user_name(status.st_uid)} (uid {status.st_uid}, gid {status.st_gid}); we run as"
        f" {_user_name(os.geteuid())} (uid {os.geteuid()}, groups {sorted(os.getgroups())}):"
        " grant read access that survives a stream start (setgid folder or default ACL)"
    )


def _deepest_visible(path: Path) -> tuple[Path, os.stat_result]:
    """Return the file, or the folder above it that denies access, with its status."""
    for candidate in (path, *path.parents):
        try:
            return candidate, candidate.stat()
        except OSError:
            continue
    raise AssertionError("the root folder can always be seen")


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "unknown"
