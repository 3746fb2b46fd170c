#!/usr/bin/python3
"""Stand-in for Owncast, with only Python's standard library and the host's ffmpeg.

It makes Owncast's file operations (data/ with 0700; data/hls emptied and its folders created with
0750 at every stream start; segments and playlists PUT by ffmpeg and written in place), keeps its
settings in data/owncast.db, answers the role's admin API calls with the bodies from Owncast's
source, and accepts one RTMP stream at a time with a known stream key. It does not prove that a real
Owncast does any of that.
"""

import argparse
import base64
import http.server
import json
import secrets
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

VERSION = "@VERSION@"
HLS = Path("data/hls")
FRESH = {
    "adminPassword": "abc123",
    "streamKeys": [{"key": "abc123", "comment": "Default stream key"}],
    "name": "New Owncast Server",
    "offlineMessage": "",
    "latencyLevel": 2,
    "variants": [
        {
            "name": "",
            "videoPassthrough": False,
            "audioPassthrough": True,
            "videoBitrate": 1200,
            "audioBitrate": 0,
            "framerate": 24,
            "encoderPreset": "",
            "cpuUsageLevel": 2,
        }
    ],
    "s3": {"enabled": True, "forcePathStyle": False, "endpoint": "https://s3.example"},
}
# path of the admin API → name of the setting
SETTINGS = {
    "adminpass": "adminPassword",
    "streamkeys": "streamKeys",
    "name": "name",
    "offlinemessage": "offlineMessage",
    "video/streamlatencylevel": "latencyLevel",
    "video/streamoutputvariants": "variants",
    "s3": "s3",
}
SEGMENTS = {0: (1, 25), 1: (2, 15), 2: (3, 10), 3: (4, 8), 4: (5, 5)}
PRESETS = {1: "ultrafast", 2: "superfast", 3: "veryfast", 4: "faster", 5: "fast"}


class Database:
    """data/owncast.db."""

    def __init__(self):
        self._lock = threading.Lock()
        self._sql = sqlite3.connect("data/owncast.db", check_same_thread=False)
        with self._sql:
            self._sql.execute("CREATE TABLE IF NOT EXISTS datastore (key TEXT PRIMARY KEY, value)")
        for name, value in FRESH.items():
            if self.get(name) is None:
                self.set(name, value)
        self.set("version", VERSION)

    def get(self, name) -> Any:
        with self._lock:
            row = self._sql.execute("SELECT value FROM datastore WHERE key=?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def set(self, name, value):
        with self._lock, self._sql:
            self._sql.execute("REPLACE INTO datastore VALUES (?, ?)", (name, json.dumps(value)))


class Admin(http.server.BaseHTTPRequestHandler):
    """The HTTP port."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/api/status":
            self.answer(200, {"versionNumber": VERSION, "online": RTMP.online, "streamTitle": ""})
        elif self.path == "/api/admin/serverconfig" and self.admin():
            self.answer(
                200,
                {
                    "instanceDetails": {
                        "name": DB.get("name"),
                        "version": VERSION,
                        "offlineMessage": DB.get("offlineMessage"),
                    },
                    "adminPassword": DB.get("adminPassword"),
                    "streamKeys": DB.get("streamKeys"),
                    "videoSettings": {
                        "videoQualityVariants": DB.get("variants"),
                        "latencyLevel": DB.get("latencyLevel"),
                    },
                    "s3": DB.get("s3"),
                    "webServerIP": ARGUMENTS.webserverip,
                    "webServerPort": ARGUMENTS.webserverport,
                    "rtmpServerPort": ARGUMENTS.rtmpport,
                },
            )
        elif self.path.startswith("/hls/") and (HLS / self.path[5:]).is_file():
            body = (HLS / self.path[5:]).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        elif not self.path.startswith("/api/admin/"):
            self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = SETTINGS.get(self.path.removeprefix("/api/admin/config/"))
        if name is None:
            self.answer(404, {})
        elif self.admin():
            value = json.loads(body)["value"]
            if name == "variants":
                value = [{"encoderPreset": "", **variant} for variant in value]
            DB.set(name, value)
            self.answer(200, {"success": True, "message": "changed"})

    def admin(self):
        wanted = base64.b64encode(f"admin:{DB.get('adminPassword')}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {wanted}":
            return True
        self.send_response(401)
        self.send_header(
            "WWW-Authenticate", 'Basic realm="Please enter your username and password"'
        )
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        pass


class Receiver(http.server.BaseHTTPRequestHandler):
    """The HTTP port that ffmpeg PUTs to, a random one on loopback."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        with (HLS / self.path.lstrip("/")).open("wb") as file:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                while size := int(self.rfile.readline(), 16):
                    file.write(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
            else:
                file.write(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format, *args):
        pass


def clean(folder):
    """Do what Owncast's CleanupDirectory does since 0.2.0: empty the folder, but keep it."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def transcode(port):
    """Start an ffmpeg that listens for RTMP on a port, with Owncast's own HLS options."""
    variants = DB.get("variants")
    seconds, listed = SEGMENTS[DB.get("latencyLevel")]
    clean(HLS)
    for number in range(len(variants)):
        (HLS / str(number)).mkdir(mode=0o750)
    target = f"http://127.0.0.1:{RECEIVER.server_address[1]}/%v"
    command = [
        "ffmpeg",
        "-hide_banner",
        "-loglevel",
        "error",
        "-nostdin",
        "-listen",
        "1",
        "-i",
        f"rtmp://127.0.0.1:{port}/live",
    ]
    for number, variant in enumerate(variants):
        rate = variant["framerate"] or 24
        command += [
            "-map",
            "0:v",
            f"-c:v:{number}",
            "libx264",
            f"-b:v:{number}",
            f"{variant['videoBitrate']}k",
            f"-g:v:{number}",
            str(rate * seconds),
            f"-keyint_min:v:{number}",
            str(rate * seconds),
            f"-r:v:{number}",
            str(rate),
            f"-preset:v:{number}",
            PRESETS[variant["cpuUsageLevel"]],
            "-map",
            "0:a",
            f"-c:a:{number}",
            "aac",
            f"-b:a:{number}",
            f"{variant['audioBitrate'] or 128}k",
        ]
    command += [
        "-var_stream_map",
        " ".join(f"v:{n},a:{n}" for n in range(len(variants))),
        "-f",
        "hls",
        "-hls_time",
        str(seconds),
        "-hls_list_size",
        str(listed),
        "-hls_flags",
        "program_date_time+independent_segments+omit_endlist",
        "-segment_format_options",
        "mpegts_flags=mpegts_copyts=1",
        "-pix_fmt",
        "yuv420p",
        "-sc_threshold",
        "0",
        "-master_pl_name",
        "stream.m3u8",
        "-hls_segment_filename",
        f"{target}/stream-{secrets.token_urlsafe(6)}-%d.ts",
        "-max_muxing_queue_size",
        "400",
        "-method",
        "PUT",
        f"{target}/stream.m3u8",
    ]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL)


def end_playlists():
    """Append an offline clip as Owncast does; here it is a copy of the last segment."""
    for playlist in HLS.glob("*/stream.m3u8"):
        segments = sorted(
            playlist.parent.glob("stream-*.ts"), key=lambda path: path.stat().st_mtime
        )
        if not segments:
            continue
        shutil.copyfile(segments[-1], playlist.with_name("offline-v2.ts"))
        ended = playlist.with_suffix(".new")
        ended.write_text(
            playlist.read_text()
            + "#EXT-X-DISCONTINUITY\n#EXTINF:8.000000,\noffline-v2.ts\n#EXT-X-ENDLIST\n"
        )
        ended.rename(playlist)


class Rtmp:
    """The RTMP port: accepts streams with a known key, and forwards them to ffmpeg."""

    def __init__(self, port):
        self.online = False
        self._server = socket.create_server(("", port))
        self._busy = threading.Lock()

    def serve(self):
        while True:
            client, _ = self._server.accept()
            threading.Thread(target=self.take, args=(client,), daemon=True).start()

    def take(self, client):
        with client:
            if not self._busy.acquire(blocking=False):
                return
            try:
                self.push(client)
            except OSError:
                pass
            finally:
                self._busy.release()

    def push(self, client):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        ffmpeg = transcode(port)
        upstream = connect(port, ffmpeg)
        try:
            threading.Thread(target=copy, args=(upstream, client), daemon=True).start()
            received, known = b"", False
            while data := client.recv(65536):
                if not known:
                    received += data
                    is_key_known = self.is_key_known(received)
                    if is_key_known is False:
                        sys.stderr.write("RTMP: an unknown stream key was refused\n")
                        return
                    known = self.online = bool(is_key_known)
                upstream.sendall(data)
        finally:
            self.online = False
            upstream.close()
            ffmpeg.kill()
            ffmpeg.wait()
            end_playlists()

    def is_key_known(self, received):
        """Return whether the stream key is known; None until the publisher has sent it."""
        # AMF0: command name, transaction number, null, stream key
        at = received.find(b"\x02\x00\x07publish")
        key_at = at + 10 + 9 + 1
        length = int.from_bytes(received[key_at + 1 : key_at + 3], "big")
        key = received[key_at + 3 : key_at + 3 + length]
        if at < 0 or not length or len(key) < length:
            return None
        return key.decode() in [entry["key"] for entry in DB.get("streamKeys")]


def connect(port, ffmpeg):
    while ffmpeg.poll() is None:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            threading.Event().wait(0.05)
    raise OSError("ffmpeg ended")


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    # the publisher notices the end
    target.close()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-webserverip", default="0.0.0.0")
    parser.add_argument("-webserverport", type=int, default=8080)
    parser.add_argument("-rtmpport", type=int, default=1935)
    ARGUMENTS = parser.parse_args()
    if not Path("data").exists():
        Path("data").mkdir(0o700)
    clean(HLS)
    DB = Database()
    RECEIVER = Server(("127.0.0.1", 0), Receiver)
    threading.Thread(target=RECEIVER.serve_forever, daemon=True).start()
    RTMP = Rtmp(ARGUMENTS.rtmpport)
    threading.Thread(target=RTMP.serve, daemon=True).start()
    Server((ARGUMENTS.webserverip, ARGUMENTS.webserverport), Admin).serve_forever()
