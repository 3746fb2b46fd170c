"""The local stack: its programs, their environment, addresses and health."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from shoal.broadcaster.torrents import tracker_of
from shoal.local.data_dir import DataDir
from shoal.local.options import Options
from shoal.local.owncast_output import HLS_FOLDER
from shoal.local.store import BUCKET, PORT_NAMES, Store
from shoal.local.supervisor import Program

SERVICES = ("broadcaster", "signaling", "site")
FREE_PORTS = (*SERVICES, "owncast", "gateway_metrics", *PORT_NAMES)
STORE_STOP_GRACE_S = 1.0  # SeaweedFS takes 15 s to exit; its files survive a kill
HEALTH_TIMEOUT_S = 2.0


class Stack:
    """The programs and addresses of one run."""

    def __init__(self, options: Options, data: DataDir, ports: Mapping[str, int]) -> None:
        """`ports` has those of FREE_PORTS, "gateway" and "rtmp"."""
        self._options = options
        self._data = data
        self._ports = ports
        self.store = Store(
            data.store,
            {name: ports[name] for name in PORT_NAMES},
            data.secret("r2_access_key_id"),
            data.secret("r2_secret_access_key"),
        )

    def url(self, name: str) -> str:
        """Return the URL of a service, by the name of its port."""
        return f"http://127.0.0.1:{self._ports[name]}"

    @property
    def upstreams(self) -> dict[str, str]:
        """URLs that the gateway routes to, by the services' names in the route table."""
        return {name: self.url(name) for name in (*SERVICES, "owncast")}

    @property
    def hls_dir(self) -> Path:
        """The folder that the encoder writes and the broadcaster reads."""
        return self._data.owncast / HLS_FOLDER

    def store_program(self) -> Program:
        """Return the program of the object store, SeaweedFS."""
        return Program("store", self.store.command(), _base_env(), STORE_STOP_GRACE_S)

    def encoder_program(self) -> Program:
        """Return the program of the Owncast stand-in."""
        options = self._options
        command = [
            *(sys.executable, "-m", "shoal.local.owncast"),
            *("--directory", str(self._data.owncast), "--source", options.source),
            *("--http-port", str(self._ports["owncast"]), "--rtmp-port", str(self._ports["rtmp"])),
            *("--renditions", str(options.variants), "--bitrate", str(options.bitrate_kbps)),
            *("--segment-seconds", str(options.segment_seconds)),
        ]
        if options.picture is not None:
            command += ["--picture", str(options.picture)]
        return Program("encoder", command, _base_env())

    def service_program(self, name: str) -> Program:
        """Return the program of one of SERVICES."""
        return Program(name, [sys.executable, "-m", "shoal.cli", name], self._service_env())

    def _service_env(self) -> dict[str, str]:
        addresses = {f"SHOAL_{name.upper()}_URL": url for name, url in self.upstreams.items()}
        return {
            **_base_env(),
            **addresses,
            "SHOAL_HLS_DIR": str(self.hls_dir),
            "SHOAL_STATE_DIR": str(self._data.broadcaster),
            "SHOAL_S3_ENDPOINT": self.store.endpoint,
            "SHOAL_BUCKET": BUCKET,
            "SHOAL_MEDIA_URL": self.store.media_url,
            "SHOAL_ICE_SERVERS": "[]",
            "SHOAL_TORRENT_STUN_SERVER": "",
            "SHOAL_TRACKER_URL": tracker_of(self.url("gateway")),
            "SHOAL_GATEWAY_METRICS_URL": self.metrics_url,
            "SHOAL_STORE_METRICS_URL": self.store.metrics_url,
            "CREDENTIALS_DIRECTORY": str(self._data.secrets),
        }

    @property
    def metrics_url(self) -> str:
        """URL of the gateway's metrics."""
        return f"{self.url('gateway_metrics')}/metrics"

    def health_urls(self) -> dict[str, str]:
        """Return the URLs that respond with 200 if a part is healthy, by name."""
        return {
            **{name: f"{self.url(name)}/health" for name in SERVICES},
            "encoder": f"{self.url('owncast')}/api/status",
            "store": f"{self.store.endpoint}/healthz",
        }

    def description(self, pids: Mapping[str, int]) -> dict[str, object]:
        """Return the content of local.json."""
        gateway = self.url("gateway")
        return {
            "gateway": gateway,
            **{name: self.url(name) for name in SERVICES},
            "store": self.store.endpoint,
            "owncast": self.url("owncast"),
            "rtmp": f"rtmp://127.0.0.1:{self._ports['rtmp']}/live",
            "playlist": f"{gateway}/live/playlist.m3u8",
            "watch": f"{gateway}/",
            "hls_dir": str(self.hls_dir),
            "metrics": self.metrics_url,
            "store_metrics": self.store.metrics_url,
            "pids": dict(pids),
        }


def _base_env() -> dict[str, str]:
    """Return this process's environment without variables that would redirect a child."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not (name.startswith("SHOAL_") and "_FILE" in name)
    }
    env["NO_PROXY"] = env["no_proxy"] = "127.0.0.1,localhost,::1"
    return env


async def health(session: aiohttp.ClientSession, url: str) -> str:
    """Return "ok", the status that a part reports ("degraded"), or an error."""
    timeout = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT_S)
    try:
        async with session.get(url, timeout=timeout) as response:
            if response.content_type != "application/json":
                return "ok" if response.ok else f"status {response.status}"
            body = await response.json()
            fallback = "ok" if response.ok else f"status {response.status}"
            return str(body.get("status", fallback))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        return str(error) or "no response"


@dataclass(frozen=True)
class BroadcasterStatus:
    """The broadcaster's progress and problems."""

    segments: int
    """published since the station started"""
    problems: tuple[str, ...]


async def broadcaster_status(session: aiohttp.ClientSession, stack: Stack) -> BroadcasterStatus:
    """Return the broadcaster's status; without a response, no segments and one problem."""
    timeout = aiohttp.ClientTimeout(total=HEALTH_TIMEOUT_S)
    try:
        async with session.get(f"{stack.url('broadcaster')}/health", timeout=timeout) as response:
            body = await response.json()
            problems = tuple(str(problem["message"]) for problem in body["problems"])
            return BroadcasterStatus(int(body["chunks"]), problems)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
        return BroadcasterStatus(0, (f"the broadcaster does not respond: {error}",))
