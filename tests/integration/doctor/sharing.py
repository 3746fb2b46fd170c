"""A page that cannot share, and signaling that connects no viewers."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.doctor.cases import Case, body, edit, fault_at, header, swap
from tests.support.faults import Fault, Reply
from tests.support.faulty_station import FaultyStation
from tests.support.station import fetch


def on_page(change: Any) -> Any:
    """Return a fault of the watch page alone."""
    return fault_at(
        "front",
        lambda _faulty: Fault(
            edit=lambda request, reply: change(reply) if request.path == "/" else None
        ),
    )


def challenge(reply: Reply) -> None:
    body("<title>Just a moment...</title>", 403, "text/html")(reply)
    reply.headers["CF-Mitigated"] = "challenge"


def rocket_loader(reply: Reply) -> None:
    swap("</body>", "<script src='/cdn-cgi/scripts/7/rocket-loader.min.js'></script></body>")(reply)


def blocking_policy(reply: Reply) -> None:
    policy = reply.headers["Content-Security-Policy"]
    reply.headers["Content-Security-Policy"] = re.sub(r"http://127\.0\.0\.1:\d+", "", policy)


def wrong_token(reply: Reply) -> None:
    config = json.loads(reply.body)
    config["join_token"] = config["join_token"][:-2] + "xx"
    reply.body = json.dumps(config).encode()


def admit_everyone(faulty: FaultyStation) -> Fault:
    """Return a fault: every join gets a valid token."""

    def edited(text: str) -> str:
        message = json.loads(text)
        if message.get("type") == "join":
            config = json.loads(fetch(f"{faulty.station.local['gateway']}/config.json"))
            message["token"] = config["join_token"]
        return json.dumps(message)

    return Fault(to_server=edited)


def no_candidates(text: str) -> str:
    """Remove all candidates from a description."""
    return re.sub(r"a=candidate:.*?\\r\\n", "", text)


@contextmanager
def silent_stun(faulty: FaultyStation) -> Iterator[None]:
    """Let the page name a STUN server that never responds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        servers = [{"urls": [f"stun:127.0.0.1:{silent.getsockname()[1]}"]}]

        def change(reply: Reply) -> None:
            config = json.loads(reply.body)
            reply.body = json.dumps({**config, "ice_servers": servers}).encode()

        with edit("front", "/config.json", change)(faulty):
            yield


def other_tracker(reply: Reply) -> None:
    reply.body = re.sub(
        rb"tr=ws%3A%2F%2F127\.0\.0\.1", b"tr=ws%3A%2F%2Felsewhere.invalid", reply.body
    )


def drop_offers(text: str) -> str | None:
    """Drop the tracker's offers and answers."""
    message = json.loads(text)
    return None if "offer" in message or "answer" in message else text


SHARING = (
    Case(
        "Owncast's own page",
        "page",
        "not the watch page",
        on_page(body("<html><video></video></html>", 200, "text/html")),
    ),
    Case("a cached page", "page", "keeps the page", on_page(header("CF-Cache-Status", "HIT"))),
    Case("Rocket Loader", "edge features", "Rocket Loader", on_page(rocket_loader)),
    Case("a challenge", "edge features", "challenge", on_page(challenge)),
    Case("a policy without the store", "page policy", "blocks the page", on_page(blocking_policy)),
    Case(
        "a cached configuration",
        "config",
        "is cached",
        edit("front", "/config.json", header("Cache-Control", "public, max-age=7200")),
    ),
    Case(
        "no WebSockets",
        "websocket",
        "answered 426 to a WebSocket",
        fault_at("front", lambda _faulty: Fault(no_sockets=True)),
    ),
    Case("another secret", "join", "token_invalid", edit("front", "/config.json", wrong_token)),
    Case(
        "everyone may join",
        "join guarded",
        "accepted a made-up token",
        fault_at("front", admit_everyone),
    ),
    Case(
        "signals are lost",
        "room",
        "did not reach the other within 5 s",
        fault_at(
            "front", lambda _faulty: Fault(to_server=lambda t: None if '"signal"' in t else t)
        ),
    ),
    Case(
        "no path between the peers",
        "exchange",
        "no data channel opened",
        fault_at("front", lambda _faulty: Fault(to_server=no_candidates)),
    ),
    Case("a silent STUN server", "stun", "no response from 127.0.0.1", silent_stun),
    Case(
        "the tracker knows no seeder",
        "tracker",
        "no seeder",
        fault_at(
            "front",
            lambda _faulty: Fault(to_client=lambda t: re.sub(r'"complete":\d+', '"complete":0', t)),
        ),
    ),
    Case(
        "magnets of another station",
        "magnet",
        "elsewhere.invalid",
        edit("front", "segments.json", other_tracker),
    ),
    Case(
        "nobody answers a magnet",
        "magnet",
        "not within",
        fault_at("front", lambda _faulty: Fault(to_client=drop_offers)),
    ),
)
