"""Access control: bearer tokens (RFC 6750) and join tokens. Plain functions, no I/O.

The broadcaster and the operator authenticate with a bearer token. A join token is short-lived: the
site issues one in `/config.json`, and signaling requires it before a viewer may join a room or a
swarm, so that other sites cannot use this station's signaling. Its format is `1.EXPIRES.MAC`: Unix
seconds, and an HMAC-SHA256 over the part before it and the station's host name, base64url without
padding.
"""

import hashlib
import hmac
import math
import re
from base64 import urlsafe_b64encode
from typing import Literal

BEARER = "bearer"

JOIN_TOKEN_LIFETIME_S = 600.0
"""a tab that stays open longer fetches `/config.json` again"""
CLOCK_SKEW_S = 10.0
"""how far the checking process' clock may be ahead of the issuing process' clock"""

Verdict = Literal["ok", "invalid", "expired"]

_VERSION = "1"
_JOIN_TOKEN = re.compile(r"(1\.([0-9]{1,12}))\.([A-Za-z0-9_-]{43})")
_SEED = b"shoal seed 1"


def has_bearer_token(authorization: str | None, token: str) -> bool:
    """Return whether an `Authorization` header carries `token`, in constant time."""
    scheme, _, presented = (authorization or "").partition(" ")
    return scheme.lower() == BEARER and is_equal(presented.strip(), token)


def is_equal(presented: str, secret: str) -> bool:
    """Return whether two strings are equal, in constant time."""
    return hmac.compare_digest(presented.encode(errors="surrogatepass"), secret.encode())


def issue_join_token(
    secret: str, host: str, now_s: float, lifetime_s: float = JOIN_TOKEN_LIFETIME_S
) -> str:
    """Return a join token for the station `host` (see `host_name`); `now_s` is Unix time."""
    claim = f"{_VERSION}.{math.ceil(now_s + lifetime_s)}"
    return f"{claim}.{_mac(secret, claim, host)}"


def check_join_token(secret: str, token: str, host: str, now_s: float) -> Verdict:
    """Return whether `token` was issued for `host` and is still valid at `now_s`, Unix time.

    Constant time for well-formed tokens. Never raises, whatever the text.
    """
    match = _JOIN_TOKEN.fullmatch(token)
    if match is None:
        return "invalid"
    claim, expires, mac = match.groups()
    # compare the text, not the decoded bytes: some bytes have several base64 spellings
    if not hmac.compare_digest(mac, _mac(secret, claim, host)):
        return "invalid"
    return "ok" if now_s <= int(expires) + CLOCK_SKEW_S else "expired"


def host_name(host_header: str) -> str:
    """Return the station's host name in a `Host` header: lower-case, without port."""
    return re.sub(r":[0-9]*$", "", host_header).lower()


def seed_token(broadcaster_token: str) -> str:
    """Return the token that identifies the broadcaster's torrent seed to the tracker.

    It never changes, and does not reveal the broadcaster's token.
    """
    return _encode(hmac.digest(broadcaster_token.encode(), _SEED, hashlib.sha256))


def _mac(secret: str, claim: str, host: str) -> str:
    # a header may hold bytes that are not UTF-8; aiohttp passes them on as surrogates
    signed = f"{claim}\n{host}".encode(errors="surrogatepass")
    return _encode(hmac.digest(secret.encode(), signed, hashlib.sha256))


def _encode(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
