"""Metadata in the <head> of a page: title, description, and the preview of a link to it.

Plain functions: text in, text out.
"""

from dataclasses import dataclass
from html import escape

PLACEHOLDER = '<meta name="station" />'
"""the tag in the built page that the metadata replaces"""


@dataclass(frozen=True)
class StationMetadata:
    """The station's title, description and poster."""

    title: str
    """the station's name"""
    stream_title: str
    """title of the current stream; may be empty"""
    description: str
    poster: str | None
    """path of the poster on the station's host"""

    @property
    def page_title(self) -> str:
        """The page's <title>."""
        return f"{self.stream_title} · {self.title}" if self.stream_title else self.title


def with_meta_tags(html: str, metadata: StationMetadata, origin: str, path: str) -> str:
    """Return a page in which <title> and <meta> tags replace the placeholder.

    `origin` and `path` are the page's own URL.
    """
    return html.replace(PLACEHOLDER, meta_tags(metadata, origin, path))


def meta_tags(metadata: StationMetadata, origin: str, path: str) -> str:
    """Return the tags. URLs in them are absolute, because other sites fetch them."""
    tags = {
        "og:type": "video.other",
        "og:site_name": metadata.title,
        "og:title": metadata.page_title,
        "og:description": metadata.description,
        "og:url": f"{origin}{path}",
    }
    card = "summary"
    if metadata.poster is not None:
        tags["og:image"] = f"{origin}{metadata.poster}"
        card = "summary_large_image"
    lines = [
        f"<title>{escape(metadata.page_title)}</title>",
        f'<meta name="description" content="{escape(metadata.description)}" />',
        f'<meta name="twitter:card" content="{card}" />',
        *(f'<meta property="{name}" content="{escape(text)}" />' for name, text in tags.items()),
    ]
    return "\n    ".join(lines)
