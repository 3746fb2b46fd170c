"""Says what could not be read in a folder that belongs to somebody else, and what to do."""

import os
import pwd
import stat
from pathlib import Path


def explain(path: Path, error: OSError) -> str:
    """Say what could not be read, with mode, owner and our user where it is a permission."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist: is Owncast running, and is SHOAL_HLS_DIR its data/hls?"
    if not isinstance(error, PermissionError):
        return f"cannot read {path}: {error.strerror}"
    barrier, status = _deepest_visible(path)
    return (
        f"permission denied: {path}; {barrier} has mode {stat.S_IMODE(status.st_mode):04o} and"
        f" owner {_user(status.st_uid)} (uid {status.st_uid}, gid {status.st_gid}), we are"
        f" {_user(os.geteuid())} (uid {os.geteuid()}, groups {sorted(os.getgroups())}):"
        " give us read access that outlives a stream start (setgid folder or default ACL)"
    )


def _deepest_visible(path: Path) -> tuple[Path, os.stat_result]:
    """Return the file, or the folder above it that bars the way, with its status."""
    for candidate in (path, *path.parents):
        try:
            return candidate, candidate.stat()
        except OSError:
            continue
    raise AssertionError("the root folder can always be seen")


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "unknown"
