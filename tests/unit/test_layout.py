"""Rules for the layout of the Python sources that no linter checks. ESLint holds the player's."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("services", "infra")
MAX_LINES = 400
"""in a file, without blank lines and comments"""


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (ROOT / folder).rglob("*.py")


def code_lines(text: str) -> int:
    lines = (line.strip() for line in text.splitlines())
    return sum(1 for line in lines if line and not line.startswith("#"))


def test_only_lines_of_code_count() -> None:
    assert code_lines("# why\n\nx = 1  # one\n    \n    # because\ny = 2\n") == 2


def test_no_file_is_too_long() -> None:
    lines = {str(path.relative_to(ROOT)): code_lines(path.read_text()) for path in sources()}
    assert {name: count for name, count in lines.items() if count > MAX_LINES} == {}
