"""The swarms in which p2p-media-loader 2.3.1 shares our playlist, named as in its code. No I/O.

It has one swarm per variant, for the whole stream: "v2-<swarmId>-main-<index>", where the index is
not a number but a hash of the variant's attributes in the multivariant playlist. ("secondary"
swarms are for alternative audio, which our playlists do not have.)
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha1

SWARM_ID = "shoal"
"""p2p-media-loader's `swarmId` for this station, which shares tracker and viewers with no other"""

_STREAM_INF = re.compile(r"^#EXT-X-STREAM-INF:(.+)$", re.MULTILINE)
_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))')
_VIDEO_CODEC = re.compile(r"avc[1-4]|av01|dav1|dva1|dvav|dvh1|dvhe|hev1|hvc1|mp4v|vp08|vp09")
"""the hls.js video sample entries that are used in practice; other codecs are ignored"""
_HASHED_BYTES = 15
"""of a SHA-1; in base64 they are the 20 characters used as the 20 bytes of an info_hash"""


def info_hashes(swarm_id: str, playlist: str = "") -> frozenset[str]:
    """Return the info_hashes that viewers of this playlist announce, 20 ASCII characters each.

    `playlist` is the text of `/live/playlist.m3u8`. A media playlist has one swarm, which is always
    the same and always returned; a multivariant playlist has one for each of its variants. Raises
    ValueError for a BANDWIDTH or FRAME-RATE that is not a number.
    """
    lists = ["", *_STREAM_INF.findall(playlist)]
    return frozenset(_info_hash(swarm_id, _index(_attributes(line))) for line in lists)


def _info_hash(swarm_id: str, index: str) -> str:
    stream = sha1(f"v2-{swarm_id}-main-{index}".encode(), usedforsecurity=False).digest()
    return b64encode(stream[:_HASHED_BYTES]).decode()


def _index(attributes: Mapping[str, str]) -> str:
    """Return the index of a variant (generateStreamShortId in utils/stream.ts).

    A media playlist has no attributes.
    """
    width, _, height = attributes.get("RESOLUTION", "").partition("x")
    fields = [
        str(int(attributes.get("BANDWIDTH", "0"))),
        _codecs(attributes.get("CODECS", "")),
        width,
        height,
        *("", "", ""),  # language, channels and name: audio only
        _frame_rate(attributes.get("FRAME-RATE", "")),
        attributes.get("VIDEO-RANGE", "").strip().upper(),
    ]
    return b64encode(sha1("-".join(fields).encode(), usedforsecurity=False).digest()).decode()


def _codecs(attribute: str) -> str:
    codecs = [codec for codec in re.split("[ ,]+", attribute) if _VIDEO_CODEC.match(codec)]
    return ",".join(sorted(_in_hex(codec.lower()) for codec in codecs))


def _in_hex(codec: str) -> str:
    """Write profile and level as RFC 6381 does: avc1.66.30 → avc1.42001e."""
    match = re.fullmatch(r"avc1\.(\d+)\.(\d+)", codec)
    return f"avc1.{int(match[1]):02x}00{int(match[2]):02x}" if match else codec


def _frame_rate(attribute: str) -> str:
    """Write a number as JavaScript does: 30.000 → 30, 29.970 → 29.97."""
    return repr(float(attribute)).removesuffix(".0") if attribute else ""


def _attributes(line: str) -> dict[str, str]:
    """Read an attribute list (RFC 8216, section 4.2)."""
    return {name: quoted or bare for name, quoted, bare in _ATTRIBUTE.findall(line)}
