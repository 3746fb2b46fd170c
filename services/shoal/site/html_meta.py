"""What a page says of the station in its <head>: title, description, and the social preview.

Plain functions: text in, text out.
"""

from dataclasses import dataclass
from html import escape

PLACEHOLDER = '<meta name="station" />'
"""where the player's build has room for it"""


@dataclass(frozen=True)
class About:
    """What the station says of itself."""

    title: str
    """the station's name"""
    stream_title: str
    """of what is on now; may be empty"""
    description: str
    poster: str | None
    """path of a picture on the station's host"""

    @property
    def page_title(self) -> str:
        """The title of a browser's tab."""
        return f"{self.stream_title} · {self.title}" if self.stream_title else self.title


def with_head(html: str, about: About, origin: str, path: str) -> str:
    """Return a page with the station's <title> and tags in place of the placeholder.

    `origin` and `path` make the page's own address.
    """
    return html.replace(PLACEHOLDER, head(about, origin, path))


def head(about: About, origin: str, path: str) -> str:
    """Return the tags. Addresses in a preview must be absolute: others fetch them."""
    tags = {
        "og:type": "video.other",
        "og:site_name": about.title,
        "og:title": about.page_title,
        "og:description": about.description,
        "og:url": f"{origin}{path}",
    }
    card = "summary"
    if about.poster is not None:
        tags["og:image"] = f"{origin}{about.poster}"
        card = "summary_large_image"
    lines = [
        f"<title>{escape(about.page_title)}</title>",
        f'<meta name="description" content="{escape(about.description)}" />',
        f'<meta name="twitter:card" content="{card}" />',
        *(f'<meta property="{name}" content="{escape(text)}" />' for name, text in tags.items()),
    ]
    return "\n    ".join(lines)
