"""docs/licences.md is current, and no package comes under a licence that nobody has agreed to."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tools.licences import SHIPPED, TOOLS, is_allowed, page

ROOT = Path(__file__).parents[2]
DEVELOPMENT = (ROOT / "docs/development.md").read_text()


def test_the_page_is_current() -> None:
    assert (ROOT / "docs/licences.md").read_text() == page(), "`make licences` writes it"


@pytest.mark.parametrize(
    ("licence", "shipped", "tools"),
    [
        ("MIT", True, True),
        ("Apache-2.0 AND BSD-2-Clause", True, True),
        ("GPL-3.0-or-later", False, True),
        ("GPL-3.0-or-later AND MIT", False, True),
        ("(GPL-2.0-only OR MIT)", True, True),
        ("AGPL-3.0-only", False, False),
        ("MIT AND AGPL-3.0-only", False, False),
        ("unknown", False, False),
        ("UNLICENSED", False, False),
        ("", False, False),
    ],
)
def test_licences_are_let_in_by_where_they_are_used(
    licence: str, *, shipped: bool, tools: bool
) -> None:
    assert is_allowed(licence, SHIPPED) == shipped
    assert is_allowed(licence, TOOLS) == tools


def reasons(title: str) -> set[str]:
    """Return the packages in the first column of a table of docs/development.md."""
    table = DEVELOPMENT.split(f"| {title} | set | for |\n")[1].split("\n\n")[0]
    names: set[str] = set()
    for row in table.splitlines()[1:]:
        first, *_, reason = row.strip("| ").split(" | ")
        assert reason
        names.update(re.findall(r"`([^`]+)`", first))
    return names


def test_every_python_dependency_has_a_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sets = [project["dependencies"], *project["optional-dependencies"].values()]
    ours = {Requirement(line).name for lines in sets for line in lines}
    ours.add(Requirement((ROOT / "requirements/audit.in").read_text().strip()).name)
    assert reasons("Python package") == ours


def test_every_npm_dependency_has_a_reason() -> None:
    package = json.loads((ROOT / "player/package.json").read_text())
    assert reasons("npm package") == {*package["dependencies"], *package["devDependencies"]}
