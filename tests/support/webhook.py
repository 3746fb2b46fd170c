"""An operator's webhook receiver for tests: a real HTTP server that can be set to fail."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Receiver:
    """Records accepted posts in order, and counts refused ones."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.refused = 0

    def states(self, code: str) -> list[str]:
        """Return the states posted for one problem, in order."""
        return [alarm["state"] for alarm in self.received if alarm["code"] == code]


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Listen on loopback; the URL's path is the secret."""

    class Handler(BaseHTTPRequestHandler):
        receiver: ClassVar[Receiver]

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.receiver.status == 200:
                self.receiver.received.append(json.loads(body))
            else:
                self.receiver.refused += 1
            self.send_response(self.receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Handler.receiver = Receiver(f"http://127.0.0.1:{server.server_port}/hooks/s3cret")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Handler.receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
