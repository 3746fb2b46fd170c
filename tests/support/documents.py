"""Reads the repository's documents for tests: commands, names, links, anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"\s+#.*$")


@dataclass(frozen=True)
class Document:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path in the repository."""
        return str(self.path.relative_to(ROOT))

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def prose(self) -> str:
        """The text without fenced code."""
        return _FENCE.sub("", self.text)

    @property
    def commands(self) -> Iterator[str]:
        """The lines of its `sh` code blocks, without comments."""
        for language, body in _FENCE.findall(self.text):
            if language == "sh":
                yield from (
                    _COMMENT.sub("", line).strip() for line in body.splitlines() if line.strip()
                )

    @property
    def spans(self) -> Iterator[str]:
        """The inline code in its prose, each on one line."""
        yield from (
            " ".join(span.replace("\\|", "|").split()) for span in _SPAN.findall(self.prose)
        )

    @property
    def links(self) -> Iterator[tuple[Path, str]]:
        """The file and anchor of each relative link; the anchor is "" if there is none."""
        for target in _LINK.findall(self.prose):
            if "://" not in target:
                path, _, anchor = target.partition("#")
                yield (self.path.parent / path if path else self.path).resolve(), anchor

    @property
    def anchors(self) -> set[str]:
        """The anchors of its headings, as GitHub makes them."""
        return {slug(heading) for heading in _HEADING.findall(self.prose)}


def slug(heading: str) -> str:
    """Return a heading's anchor."""
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def documents() -> list[Document]:
    """Return all documents."""
    return [
        Document(path) for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")))
    ]
