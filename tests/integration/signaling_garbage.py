"""Input that anybody may send: protocol words with wrong values, odd frames, arbitrary bytes."""

import json
from typing import Any

from hypothesis import strategies as st

from shoal.p2p_media_loader import SWARM_ID, info_hashes
from shoal.signaling.rooms.plan import PLAN_VERSION
from tests.support.raw_websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame

[LIVE] = info_hashes(SWARM_ID)

DEEP = [
    "[" * 60_000,
    '{"action":' * 10_000,
    '{"action":"announce","x":' + "[" * 30_000 + "]" * 30_000,
]
ODD = [
    None,
    True,
    -1,
    0,
    10**400,
    -(2**63),
    1e308,
    0.5,
    "",
    "\x00" * 20,
    "\ud800",
    "ÿ" * 20,
    "☃" * 20,
    "x" * 5_000,
    [],
    {},
    [[]],
    [None],
    {"p2p": -1},
]
KNOWN = {
    "action": ["announce", "scrape", "dance"],
    "type": ["join", "signal", "variant", "ready", "stats", "stream", "segment", "swarms", "dance"],
    "info_hash": [LIVE, "h" * 20, [LIVE], [LIVE] * 1_000],
    "peer_id": ["p" * 20, "q" * 20],
    "event": ["started", "update", "completed", "stopped"],
    "left": [0, 1, 1e300],
    "numwant": [0, 5, -5, 1e300],
    "offers": [[{"offer_id": "o" * 20, "offer": {"sdp": ""}}] * 30, [{"offer_id": 1}], [{}]],
    "to_peer_id": ["p" * 20, "q" * 20],
    "offer_id": ["o" * 20],
    "answer": [{"sdp": ""}],
    "plan_version": [PLAN_VERSION, 1],
    "variant": [0, 255, 256],
    "sharing": [True, False],
    "to": ["", "nobody"],
    "data": [{"candidates": []}],
    "bytes": [{"p2p": 1, "store": 1, "seed": 1}, {"p2p": 10**30, "store": 0, "seed": 0}],
    "startup": [{"p2p": 0, "store": 0, "seed": 0}],
    "uploaded": [0, 10**30],
    "peers": [0, 10**9],
    "stalls": [0],
    "latency_s": [0, 1e308, -1e308],
    "stream": ["abc", None],
    "live": [True, False],
    "info_hashes": [[LIVE], ["x"] * 100],
    "descriptor": [{"variant": 0, "sequence": 1, "name": "x"}],
}


def json_text(pairs: list[tuple[str, Any]]) -> str:
    """JSON text of an object that may contain a key twice."""
    return "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in pairs) + "}"


FIELDS = st.sampled_from(sorted(KNOWN)).flatmap(
    lambda key: st.tuples(st.just(key), st.sampled_from([*KNOWN[key], *KNOWN[key], *ODD]))
)
WHOLE = st.fixed_dictionaries(
    {"kind": st.sampled_from(["announce", "scrape", "join", "stats", "signal", "ready"])},
    optional={key: st.sampled_from([*values, *ODD]) for key, values in KNOWN.items()},
).map(lambda fields: [("action", fields["kind"]), ("type", fields.pop("kind")), *fields.items()])
TEXTS = st.one_of(
    WHOLE.map(json_text),
    st.lists(FIELDS, max_size=8).map(json_text),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    ).map(json.dumps),
    st.sampled_from(DEEP),
    st.text(max_size=50),
)
PAYLOADS = TEXTS.map(lambda text: text.encode(errors="surrogatepass")) | st.binary(max_size=200)
OPCODES = st.sampled_from([TEXT, TEXT, TEXT, BINARY, CONTINUATION, CLOSE, PING, 10, 3, 11])
FRAMES = st.builds(
    frame,
    PAYLOADS,
    OPCODES,
    fin=st.sampled_from([True, True, False]),
    mask=st.binary(min_size=4, max_size=4),
)
LENGTHS = st.sampled_from([0, 125, 126, 127, 65_535, 65_536, 2**31, 2**32, 2**63 - 1, 2**64 - 1])
CRAZY_HEADS = st.builds(
    lambda first, flag, size: bytes([first, flag]) + size.to_bytes(8, "big"),
    st.integers(0, 255),
    st.sampled_from([0x7E, 0x7F, 0xFE, 0xFF, 0x00, 0x80]),
    LENGTHS,
)
SENT = st.lists(st.one_of(FRAMES, FRAMES, FRAMES, CRAZY_HEADS, st.binary(max_size=300)), max_size=8)
CUTS = st.lists(st.integers(1, 5_000), max_size=4)
