"""Security headers of the pages: what a browser lets them load, and who may frame them.

Plain functions: settings in, headers out.
"""

import re
from collections.abc import Collection, Sequence
from typing import Literal

from yarl import URL

from shoal.web import ANY_ORIGIN

Framing = Literal["nobody", "embedders"]
"""who may show a page in a frame"""

ALL_PAGES = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def page_headers(
    host: str,
    media_url: str | None,
    styles: Sequence[str],
    framing: Framing,
    embed_origins: Collection[str],
) -> dict[str, str]:
    """Return the headers of a page.

    `host` is the one that was asked for; `media_url` where segments are, None when that is not
    known; `styles` are hashes of what is written into the page by its scripts.
    """
    policy = content_security_policy(
        host, media_url, styles, frame_ancestors(framing, embed_origins)
    )
    headers = {**ALL_PAGES, "Content-Security-Policy": policy}
    if framing == "nobody":
        headers["X-Frame-Options"] = "DENY"
    return headers


def content_security_policy(
    host: str, media_url: str | None, styles: Sequence[str], ancestors: str
) -> str:
    """Return the policy: nothing from elsewhere, but the store's segments."""
    # what is no host name must not add to the policy
    own = f" ws://{host} wss://{host}" if re.fullmatch(r"[\w.:\[\]-]+", host, re.ASCII) else ""
    store = "https:" if media_url is None else str(URL(media_url).origin())
    directives = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": " ".join(["'self'", *(f"'{style}'" for style in styles)]),
        "img-src": "'self' data:",
        "connect-src": f"'self'{own} {store}",
        "media-src": f"'self' blob: {store}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": ancestors,
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def frame_ancestors(framing: Framing, embed_origins: Collection[str]) -> str:
    """Return the sources of pages that may frame ours."""
    if framing == "nobody":
        return "'none'"
    if ANY_ORIGIN in embed_origins:
        return ANY_ORIGIN
    return " ".join(["'self'", *embed_origins])
