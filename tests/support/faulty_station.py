"""A station behind proxies that can break things, and a way to run the doctor on it."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.support.faults import Proxies, Proxy
from tests.support.station import SHOAL, Station, station, wait_for

DOCTOR_LIMIT_S = 90
"""three times what it should take, for busy machines"""


@dataclass(frozen=True)
class Diagnosis:
    """The doctor's output."""

    status: int
    checks: dict[str, dict[str, str]]

    @property
    def broken(self) -> dict[str, str]:
        """The broken checks, with what they saw."""
        return {
            name: check["saw"] for name, check in self.checks.items() if check["state"] == "broken"
        }


@dataclass
class FaultyStation:
    """A station in which one thing at a time may be wrong."""

    station: Station
    front: Proxy
    """in front of the gateway"""
    store: Proxy
    broadcaster: Proxy
    owncast: Proxy
    data: Path
    """data folder whose local.json has the proxies' URLs"""

    def describe(self, **changes: Any) -> None:
        """Write local.json, which tells the doctor what runs on this host."""
        self.station.refresh()
        names = {
            "gateway": self.front.url,
            "broadcaster": self.broadcaster.url,
            "owncast": self.owncast.url,
        }
        description = {**self.station.local, **names, **changes}
        (self.data / "local.json").write_text(json.dumps(description))

    def doctor(self, url: str | None = None, *, place: bool = True) -> Diagnosis:
        """Run the doctor; as if on the station's host unless `place` is false."""
        data = self.data if place else self.data / "none"
        done = subprocess.run(
            [*SHOAL, "doctor", url or self.front.url, "--data", str(data), "--json"],
            capture_output=True,
            text=True,
            timeout=DOCTOR_LIMIT_S,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr
        assert done.stdout, done.stderr
        output = json.loads(done.stdout)
        assert set(output) == {"url", "checks"}
        for check in output["checks"]:
            assert set(check) == {"name", "state", "saw", "why", "fix"}
            assert check["saw"] and check["why"]
            assert bool(check["fix"]) == (check["state"] in ("broken", "warning"))
        names = [check["name"] for check in output["checks"]]
        assert len(set(names)) == len(names)
        return Diagnosis(done.returncode, {check["name"]: check for check in output["checks"]})


@contextmanager
def faulty_station() -> Iterator[FaultyStation]:
    """Run a healthy station of one-second segments behind proxies."""
    # not pytest's folder, which other users cannot read: the doctor also checks as other users
    folder = Path(tempfile.mkdtemp(prefix="shoal-doctor-"))
    folder.chmod(0o755)
    try:
        options = ("--segment-seconds", "1", "--bitrate", "600", "--picture", "320x180@15")
        with station(folder / "data", *options) as running:
            local = running.local
            with Proxies(
                front=Proxy(local["gateway"]),
                store=Proxy(local["store"]),
                broadcaster=Proxy(local["broadcaster"]),
                owncast=Proxy(local["owncast"]),
            ) as proxies:
                front, store = proxies["front"], proxies["store"]
                gateway = urlsplit(local["gateway"]).netloc
                front.swaps = {
                    local["store"]: store.url,
                    quote(local["store"], safe=""): quote(store.url, safe=""),
                    quote(f"ws://{gateway}/ws", safe=""): quote(
                        f"ws://{urlsplit(front.url).netloc}/ws", safe=""
                    ),
                }
                (folder / "seen").mkdir()
                faulty = FaultyStation(running, **proxies, data=folder / "seen")
                faulty.describe()
                running.wait_published(6)
                wait_for(
                    "the canary has succeeded", lambda: running.health()["standby"] == "ok", 60
                )
                yield faulty
    finally:
        shutil.rmtree(folder)
