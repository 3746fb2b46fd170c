"""Join tokens: the site's short-lived word that somebody came through this station's own page.

The site hands one out in `/config.json`, signaling asks for it before it lets a viewer into a room
or a swarm. `1.EXPIRES.MAC`: Unix seconds, and an HMAC-SHA256 over all that precedes it and the
station's host name, base64url without padding. Plain functions, no I/O.
"""

import hashlib
import hmac
import math
import re
from base64 import urlsafe_b64encode
from typing import Literal

LIFETIME_S = 600.0
"""a tab that stays open longer asks `/config.json` again"""
SKEW_S = 10.0
"""how far the checker's clock may be ahead of the issuer's"""

Verdict = Literal["ok", "invalid", "expired"]

_VERSION = "1"
_TOKEN = re.compile(r"(1\.([0-9]{1,12}))\.([A-Za-z0-9_-]{43})")
_SEED = b"shoal seed 1"


def issue(secret: str, host: str, now_s: float, lifetime_s: float = LIFETIME_S) -> str:
    """Return a token for the station `host` (see `host_name`) from now on; `now_s` is Unix time."""
    claim = f"{_VERSION}.{math.ceil(now_s + lifetime_s)}"
    return f"{claim}.{_mac(secret, claim, host)}"


def check(secret: str, token: str, host: str, now_s: float) -> Verdict:
    """Say whether `token` was issued for `host` and is still good at `now_s`, Unix time.

    Takes a time that tells nothing about the right token. Never raises, whatever the text.
    """
    match = _TOKEN.fullmatch(token)
    if match is None:
        return "invalid"
    claim, expires, mac = match.groups()
    # the text is compared, not what it decodes to: base64 has several texts for some bytes
    if not hmac.compare_digest(mac, _mac(secret, claim, host)):
        return "invalid"
    return "ok" if now_s <= int(expires) + SKEW_S else "expired"


def host_name(host_header: str) -> str:
    """Return the station's host name in a `Host` header: lower-case, without port."""
    return re.sub(r":[0-9]*$", "", host_header).lower()


def seed_token(broadcaster_token: str) -> str:
    """Return what the broadcaster's torrent seeder shows the tracker, which knows it by that.

    Static, and who learns it learns nothing about the broadcaster's token.
    """
    return _encode(hmac.digest(broadcaster_token.encode(), _SEED, hashlib.sha256))


def _mac(secret: str, claim: str, host: str) -> str:
    # a header may hold bytes that are no UTF-8, which aiohttp hands over as surrogates
    signed = f"{claim}\n{host}".encode(errors="surrogatepass")
    return _encode(hmac.digest(secret.encode(), signed, hashlib.sha256))


def _encode(digest: bytes) -> str:
    return urlsafe_b64encode(digest).rstrip(b"=").decode()
