"""Security headers of pages: what they may load, and which sites may frame them.

Plain functions: settings in, headers out.
"""

import re
from collections.abc import Collection, Sequence
from typing import Literal

from yarl import URL

from shoal.web import ANY_ORIGIN

Framing = Literal["nobody", "embedders"]
"""who may show a page in a frame: nobody, or the sites in `embed_origins`"""

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

    `host` is the requested host; `media_url` the URL of the segments, or None if unknown; `styles`
    the hashes of the styles that the page's scripts insert.
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
    """Return the Content-Security-Policy: the station itself, and segments from the store."""
    # a malformed host name must not alter the policy
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
    """Return the value of `frame-ancestors`: origins that may frame a page."""
    if framing == "nobody":
        return "'none'"
    if ANY_ORIGIN in embed_origins:
        return ANY_ORIGIN
    return " ".join(["'self'", *embed_origins])
