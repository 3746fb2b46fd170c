"""Where a station's parts are, when the doctor runs on its host."""

import json
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yarl import URL

from shoal.errors import OperatorError

DEPLOYED = Path("/etc/shoal/broadcaster.env")
"""which a host has that Ansible made"""
PASSWORD = Path("/etc/owncast/admin_password")
UNITS = ("owncast", "shoal-broadcaster", "shoal-site", "cloudflared")
"""signaling may be several; its health says whether it runs"""
SYSTEMCTL_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Place:
    """The parts of a station on this host."""

    url: str
    """the station's own, as viewers open it"""
    broadcaster: str
    signaling: str
    site: str
    owncast: str
    """URLs on the loopback interface"""
    hls_dir: Path
    disks: tuple[Path, ...]
    """folders that need room"""
    broadcaster_pid: int | None
    """None: it does not run, or is not ours to see"""
    units: tuple[str, ...]
    """of systemd, that must run; none where `shoal up` minds the processes"""
    owncast_password: str | None
    """the administrator's; None: not known here"""


def find_place(url: str | None, data: Path) -> Place | None:
    """Return the place of the station at `url` (None: the one that is here), if it is this host.

    Raises OperatorError when what describes it cannot be read.
    """
    place = _local(data) or _deployed(DEPLOYED)
    if place is None or url is None:
        return place
    return place if URL(url).host == URL(place.url).host else None


def _local(data: Path) -> Place | None:
    """Return the station of `shoal up` whose folder is `data`."""
    path = data / "local.json"
    try:
        local: dict[str, Any] = json.loads(path.read_text())
        return Place(
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
        raise OperatorError(f"cannot read {path}: {error}") from error


def _deployed(environment: Path) -> Place | None:
    """Return the station that Ansible has put here, by its broadcaster's environment."""
    try:
        settings = _variables(environment.read_text())
        tracker = URL(settings["SHOAL_TRACKER_URL"])
    except (FileNotFoundError, PermissionError):  # not there, or not for us to see
        return None
    except (OSError, ValueError, KeyError) as error:
        raise OperatorError(f"cannot read {environment}: {error!r}") from error
    scheme = {"ws": "http", "wss": "https"}[tracker.scheme]
    state = Path(settings.get("SHOAL_STATE_DIR", "/var/lib/shoal/broadcaster"))
    hls_dir = Path(settings.get("SHOAL_HLS_DIR", "/run/hls"))
    return Place(
        url=str(URL.build(scheme=scheme, authority=tracker.authority)),
        broadcaster=settings.get("SHOAL_BROADCASTER_URL", "http://localhost:3000"),
        signaling=settings.get("SHOAL_SIGNALING_URL", "http://localhost:8081"),
        site=settings.get("SHOAL_SITE_URL", "http://localhost:8000"),
        owncast=settings.get("SHOAL_OWNCAST_URL", "http://localhost:8080"),
        hls_dir=hls_dir,
        disks=(state, hls_dir, Path("/")),
        broadcaster_pid=_main_pid("shoal-broadcaster"),
        units=UNITS,
        owncast_password=_password(PASSWORD),
    )


def _variables(text: str) -> dict[str, str]:
    """Return the variables of an EnvironmentFile."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {name: " ".join(shlex.split(value)) for name, _, value in pairs}


def _main_pid(unit: str) -> int | None:
    command = ["systemctl", "show", "--property=MainPID", "--value", unit]
    try:
        said = subprocess.run(
            command, capture_output=True, text=True, timeout=SYSTEMCTL_TIMEOUT_S, check=False
        )
        return int(said.stdout) or None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def _password(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
