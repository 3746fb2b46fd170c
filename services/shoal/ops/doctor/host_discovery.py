"""Finds the parts of the station that runs on this host, if one does."""

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from shoal.errors import OperatorError

DEPLOYED = Path("/etc/shoal/broadcaster.env")
"""written by Ansible"""
PASSWORD = Path("/etc/owncast/admin_password")
UNITS = ("owncast", "shoal-broadcaster", "shoal-site", "cloudflared")
"""without signaling, which may have several units: its health shows whether it runs"""
SYSTEMCTL_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class StationHost:
    """The parts of a station on this host."""

    url: str
    """the station's URL, as viewers open it"""
    broadcaster: str
    signaling: str
    site: str
    owncast: str
    """URLs on the loopback interface"""
    hls_dir: Path
    disks: tuple[Path, ...]
    """folders that need free space"""
    broadcaster_pid: int | None
    """None if it does not run, or if this user may not see it"""
    units: tuple[str, ...]
    """systemd units that must run; none where `shoal up` supervises the processes"""
    owncast_password: str | None
    """of Owncast's administrator; None if it is not known here"""


def find_host(url: str | None, data: Path) -> StationHost | None:
    """Return the station at `url` if this machine is its host; None if it is not.

    Without a URL, any station on this machine. Raises OperatorError when the files that describe
    the station cannot be read.
    """
    host = _local(data) or _deployed(DEPLOYED)
    if host is None or url is None:
        return host
    return host if URL(url).host == URL(host.url).host else None


def _local(data: Path) -> StationHost | None:
    """Return the station of `shoal up` that keeps its data in `data`."""
    path = data / "local.json"
    try:
        local: dict[str, Any] = json.loads(path.read_text())
        return StationHost(
            url=local["gateway"],
            broadcaster=local["broadcaster"],
            signaling=local["signaling"],
            site=local["site"],
            owncast=local["owncast"],
            hls_dir=Path(local["hls_dir"]),
            disks=(data,),
            broadcaster_pid=local["pids"].get("broadcaster"),
            units=(),
            owncast_password=None,
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"cannot read {path}: {error!r}. `shoal up` writes it: start the station again, or"
            " name its folder with --data"
        ) from error


def _deployed(environment: Path) -> StationHost | None:
    """Return the station that Ansible installed here, from its broadcaster's environment."""
    try:
        settings = _parse_environment(environment.read_text())
        tracker = URL(settings["SHOAL_TRACKER_URL"])
    except (FileNotFoundError, PermissionError):  # not there, or this user may not read it
        return None
    except (OSError, ValueError, KeyError) as error:
        raise OperatorError(
            f"cannot read {environment}: {error!r}. Ansible writes it: deploy again"
        ) from error
    scheme = {"ws": "http", "wss": "https"}[tracker.scheme]
    state = Path(settings.get("SHOAL_STATE_DIR", "/var/lib/shoal/broadcaster"))
    hls_dir = Path(settings.get("SHOAL_HLS_DIR", "/run/hls"))
    return StationHost(
        url=str(URL.build(scheme=scheme, authority=tracker.authority)),
        broadcaster=settings.get("SHOAL_BROADCASTER_URL", "http://localhost:3000"),
        signaling=settings.get("SHOAL_SIGNALING_URL", "http://localhost:8081"),
        site=settings.get("SHOAL_SITE_URL", "http://localhost:8000"),
        owncast=settings.get("SHOAL_OWNCAST_URL", "http://localhost:8080"),
        hls_dir=hls_dir,
        disks=(state, hls_dir, Path("/")),
        broadcaster_pid=_main_pid("shoal-broadcaster"),
        units=UNITS,
        owncast_password=_read_password(PASSWORD),
    )


def _parse_environment(text: str) -> dict[str, str]:
    """Return the variables of a systemd EnvironmentFile."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {name: " ".join(shlex.split(value)) for name, _, value in pairs}


def _main_pid(unit: str) -> int | None:
    command = ["systemctl", "show", "--property=MainPID", "--value", unit]
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=SYSTEMCTL_TIMEOUT_S, check=False
        )
        return int(result.stdout) or None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _read_password(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
