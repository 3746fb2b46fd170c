"""The table of a segment's path in docs/architecture.md names what is in the code, in order."""

import ast
import re
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
SECTION = "## One segment, from Owncast's folder to a screen"
HEADER = "| n | file | name | what it does |"
FOLDERS = (ROOT / "services/shoal", ROOT / "player/src")
ROW = re.compile(r"\| (\w+) \| `([^`]+)` \| `([^`]+)` \| ([^|]+) \|")


class Row(NamedTuple):
    number: str
    file: str
    name: str
    text: str


def table() -> list[Row]:
    section = PAGE.read_text().partition(SECTION)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert lines[0] == HEADER
    matches = [(line, ROW.fullmatch(line)) for line in lines[2:]]
    assert [line for line, match in matches if match is None] == []
    return [Row(*match.groups()) for _, match in matches if match is not None]


def names_in_python(text: str) -> set[str]:
    """Functions as `function` and `Class.method`."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, functions):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{n.name}" for n in node.body if isinstance(n, functions)}
    return names


def is_in_typescript(name: str, text: str) -> bool:
    class_name, _, method = name.rpartition(".")
    in_class = not class_name or re.search(rf"\bclass {re.escape(class_name)}\b", text)
    return bool(in_class and re.search(rf"(?<![\w.]){re.escape(method)}\s*[(<=]", text))


@pytest.mark.parametrize("row", table(), ids=lambda row: row.name)
def test_each_name_is_in_its_file(row: Row) -> None:
    [path] = [folder / row.file for folder in FOLDERS if (folder / row.file).is_file()]
    text = path.read_text()
    if path.suffix == ".py":
        assert row.name in names_in_python(text)
    else:
        assert is_in_typescript(row.name, text)


def test_no_file_comes_back_after_another_one() -> None:
    files = [file for file, _ in groupby(row.file for row in table())]
    assert files == list(dict.fromkeys(files))


def test_names_are_recognized_in_both_languages() -> None:
    assert names_in_python("class A:\n    async def b(self): ...\ndef c(): ...") == {"A.b", "c"}
    typescript = "export class Room {\n  #onSegment(message) {}\n}\nexport const load = () => 1"
    assert is_in_typescript("Room.#onSegment", typescript)
    assert is_in_typescript("load", typescript)
    assert not is_in_typescript("Room.leave", typescript)
    assert not is_in_typescript("Hall.#onSegment", typescript)
