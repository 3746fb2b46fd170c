"""The real broadcaster as a process, fed by an Owncast that the test controls."""

import gzip
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, cast

import m3u8

from shoal.local.store import Store
from tests.support.station import SHOAL, free_port, wait_for


def transport_stream(seed: str, packets: int = 400) -> bytes:
    """Return bytes that pass for an MPEG-TS segment, different for each seed."""
    body = (seed.encode() * 187)[:187]
    return (b"\x47" + body) * packets


@dataclass
class Owncast:
    """Writes an HLS folder as Owncast does: first the segment, then its name in the playlist."""

    path: Path
    list_size: int = 8
    listed: dict[int, list[str]] = field(default_factory=dict[int, list[str]])

    def start_stream(self, variants: int = 1) -> None:
        """Empty the folder and recreate the variants' folders."""
        self.listed = {}
        for file in sorted(self.path.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        for variant in range(variants):
            (self.path / str(variant)).mkdir(mode=0o750, parents=True)

    def write_multivariant(self, attributes: list[str]) -> None:
        """Write the multivariant playlist; `attributes` has one entry for each variant."""
        lines = ["#EXTM3U", "#EXT-X-VERSION:6"]
        for variant, line in enumerate(attributes):
            lines += [f"#EXT-X-STREAM-INF:{line}", f"{variant}/stream.m3u8", ""]
        (self.path / "stream.m3u8").write_text("\n".join(lines) + "\n")

    def end_stream(self) -> None:
        """Append the offline clip to every variant, as Owncast does."""
        for variant in self.listed:
            folder = self.path / str(variant)
            (folder / "offline-v2.ts").write_bytes(transport_stream("offline"))
            text = (folder / "stream.m3u8").read_text()
            clip = "#EXT-X-DISCONTINUITY\n#EXTINF:8.000000,\noffline-v2.ts\n#EXT-X-ENDLIST\n"
            (folder / "stream.tmp").write_text(text + clip)
            (folder / "stream.tmp").rename(folder / "stream.m3u8")

    def write(
        self,
        stream: str,
        index: int,
        variant: int = 0,
        *,
        packets: int = 400,
        duration: float = 4.0,
        mode: int = 0o644,
        owner: int = 0,
    ) -> str:
        """Write one segment and list it; return its name."""
        data = transport_stream(f"{variant}stream-{stream}-{index}.ts", packets)
        return self.write_bytes(
            *(stream, index, data, variant), duration=duration, mode=mode, owner=owner
        )

    def write_bytes(
        self,
        stream: str,
        index: int,
        data: bytes,
        variant: int = 0,
        *,
        duration: float = 4.0,
        mode: int = 0o644,
        owner: int = 0,
    ) -> str:
        """Write one segment of these bytes and list it; return its name."""
        name = f"stream-{stream}-{index}.ts"
        folder = self.path / str(variant)
        (folder / name).write_bytes(data)
        (folder / name).chmod(mode)
        os.chown(folder / name, owner, owner)
        names = self.listed.setdefault(variant, [])
        names.append(name)
        lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:4"]
        for listed in names[-self.list_size :]:
            clock = "#EXT-X-PROGRAM-DATE-TIME:2026-11-22T09:03:08.231+0000"
            lines += [f"#EXTINF:{duration:.6f},", clock, listed]
        (folder / "stream.m3u8").write_text("\n".join(lines) + "\n")
        return name


@dataclass
class Response:
    """An HTTP response; redirects are not followed."""

    status: int
    headers: Message
    """names are case-insensitive"""
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def get(url: str, method: str = "GET", **headers: str) -> Response:
    """Return the response to a request, whatever its status, with gzip undone."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=fields)
    try:
        response = cast(
            "HTTPResponse", urllib.request.build_opener(_NoRedirect).open(request, timeout=10)
        )
    except urllib.error.HTTPError as error:
        response = cast("HTTPResponse", error)
    with response:
        body = response.read()
        if response.headers.get("Content-Encoding") == "gzip" and body:
            body = gzip.decompress(body)
        return Response(response.status, response.headers, body)


@dataclass
class Broadcaster:
    """A running broadcaster."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def health(self) -> dict[str, Any]:
        """Return its /health."""
        return get(f"{self.url}/health").json

    def problem(self, code: str) -> str | None:
        """Return the message of a current problem, or None."""
        problems = self.health()["problems"]
        return next((p["message"] for p in problems if p["code"] == code), None)

    def playlist(self, variant: int = 0) -> m3u8.M3U8:
        """Return a variant's playlist, read by an independent parser."""
        return m3u8.loads(get(f"{self.url}/live/{variant}/playlist.m3u8").body.decode())

    def names(self, variant: int = 0) -> list[str]:
        """Return the published file names of a variant."""
        answer = get(f"{self.url}/live/{variant}/playlist.m3u8")
        if answer.status != 200:
            return []
        return [(s.uri or "").rpartition("/")[2] for s in m3u8.loads(answer.body.decode()).segments]

    def wait_published(self, name: str, variant: int = 0, timeout_s: float = 15) -> None:
        """Wait until a segment is in the playlist."""
        wait_for(f"{name} published", lambda: name in self.names(variant), timeout_s)


@contextmanager
def broadcaster(
    folder: Path,
    store: Store,
    settings: Mapping[str, str] | None = None,
    *,
    override_permissions: bool = True,
) -> Iterator[Broadcaster]:
    """Run the broadcaster on `<folder>/hls` with its state in `<folder>/state`.

    `settings` are environment variables, or secrets by name. As root it can read every file, unless
    `override_permissions` is false and it lacks the capabilities for that.
    """
    overrides = dict(settings or {})
    secrets, state = folder / "secrets", folder / "state"
    keys = {
        "r2_access_key_id": store.access_key_id,
        "r2_secret_access_key": store.secret_access_key,
        "broadcaster_token": "token",
    }
    for place in (secrets, state):
        place.mkdir(parents=True, exist_ok=True)
    for name, value in keys.items():
        (secrets / name).write_text(overrides.pop(name, value))
    bounds = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    url = f"http://127.0.0.1:{free_port()}"
    log = folder / "broadcaster.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*([] if override_permissions else bounds), *SHOAL, "broadcaster"],
            stdout=output,
            stderr=output,
            env={
                **os.environ,
                "SHOAL_BROADCASTER_URL": url,
                "SHOAL_SIGNALING_URL": "http://127.0.0.1:9",  # nothing listens there
                "SHOAL_STANDBY": "off",
                "SHOAL_HLS_DIR": str(folder / "hls"),
                "SHOAL_STATE_DIR": str(state),
                "SHOAL_S3_ENDPOINT": store.endpoint,
                "SHOAL_MEDIA_URL": store.media_url,
                "CREDENTIALS_DIRECTORY": str(secrets),
                **overrides,
            },
        )
    running = Broadcaster(url, process, log)
    try:
        wait_for("the broadcaster answers", lambda: _answers(running), 20)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(running: Broadcaster) -> bool:
    if running.process.poll() is not None:
        raise AssertionError(f"the broadcaster ended: {running.log.read_text()}")
    try:
        return bool(get(f"{running.url}/health").status)
    except OSError:
        return False
