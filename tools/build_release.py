"""Build the release for a host: one archive with Shoal's wheel and the wheels of its dependencies.

A release is for one Python and one architecture, built from requirements/host.lock with its hashes
and kept in .release/, so that it is built only once. Prints {"version", "archive"}.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "services" / "shoal"
LOCK = ROOT / "requirements" / "host.lock"
RELEASES = ROOT / ".release"
BASE_VERSION = "0.1.0"
# the oldest host is Debian 12, whose glibc is 2.36
PLATFORMS = [*(f"manylinux_2_{minor}" for minor in range(36, 4, -1)), "manylinux2014", "linux"]


def content_digest() -> str:
    """Return a digest of the files that go into the archive."""
    digest = hashlib.sha256()
    files = [
        path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    for path in sorted([*files, ROOT / "pyproject.toml", LOCK]):
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:10]


def requirements(python: str, machine: str) -> list[str]:
    """Return the lines of the lock that apply to a host; pip itself would evaluate this machine."""
    host = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    lines: list[str] = []
    for entry in re.sub(r"\\\n", " ", LOCK.read_text()).splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        text, *hashes = entry.split(" --hash=")
        requirement = Requirement(text.strip())
        if requirement.marker is None or requirement.marker.evaluate(host):
            requirement.marker = None
            lines.append(
                " ".join([str(requirement), *(f"--hash={item.strip()}" for item in hashes)])
            )
    return lines


def run(*command: str, **environment: str) -> None:
    """Run a command with its output on stderr."""
    subprocess.run(
        command, check=True, cwd=ROOT, stdout=sys.stderr, env={**os.environ, **environment}
    )


def dependencies(python: str, machine: str) -> tuple[Path, list[str]]:
    """Return a folder with the wheels of the lock, and its lines; the folder is built only once."""
    lines = requirements(python, machine)
    text = "\n".join(lines) + "\n"
    name = hashlib.sha256(text.encode()).hexdigest()[:10]
    target = RELEASES / f"wheels-{name}-{tag(python, machine)}"
    if target.exists():
        return target, lines
    with tempfile.TemporaryDirectory(dir=RELEASES) as folder:
        lock, wheels = Path(folder, "lock.txt"), Path(folder, "wheels")
        lock.write_text(text)
        run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--only-binary=:all:", f"--dest={wheels}"),
            *(f"--python-version={python}", "--implementation=cp"),
            *(f"--abi={abi(python)}", "--abi=abi3", "--abi=none"),
            *(f"--platform={platform}_{machine}" for platform in PLATFORMS),
            *("--requirement", str(lock)),
        )
        wheels.rename(target)
    return target, lines


def build(archive: Path, version: str, python: str, machine: str) -> None:
    """Build the archive."""
    if not (PACKAGE / "site" / "static" / "index.html").is_file():
        sys.exit("build_release: the player has not been built: run `make player` first")
    wheels, lines = dependencies(python, machine)
    with tempfile.TemporaryDirectory(dir=RELEASES) as name:
        folder = Path(name)
        run(
            *(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", name),
            SHOAL_VERSION=version,
        )
        (own,) = folder.glob("shoal-*.whl")
        sha256 = hashlib.sha256(own.read_bytes()).hexdigest()
        listed = folder / "requirements.txt"
        listed.write_text("\n".join([*lines, f"shoal=={version} --hash=sha256:{sha256}"]) + "\n")
        unfinished = folder / "release.tar"
        with tarfile.open(unfinished, "w") as tar:
            for path in [*sorted(wheels.iterdir()), own, listed]:
                tar.add(path, path.name)
        unfinished.rename(archive)


def abi(python: str) -> str:
    """Return the ABI tag of the wheels for a Python."""
    major, minor, _ = python.split(".")
    return f"cp{major}{minor}"


def tag(python: str, machine: str) -> str:
    """Return the part of a file name that tells for which hosts it is."""
    return f"py{python}-{machine}"


def main() -> None:
    """Build the release unless it exists; print its version and archive."""
    parser = argparse.ArgumentParser(prog="build_release", description=__doc__)
    parser.add_argument("--python", required=True, help="of the host, such as 3.13.5")
    parser.add_argument("--machine", required=True, help="of the host, such as x86_64")
    parser.add_argument("--version", default="", help="[derived from the content]")
    arguments = parser.parse_args()
    digest = content_digest()
    version = arguments.version or f"{BASE_VERSION}+{digest}"
    stem = f"{version}-{digest}" if arguments.version else version
    RELEASES.mkdir(exist_ok=True)
    archive = RELEASES / f"shoal-{stem}-{tag(arguments.python, arguments.machine)}.tar"
    if not archive.exists():
        build(archive, version, arguments.python, arguments.machine)
    sys.stdout.write(json.dumps({"version": version, "archive": str(archive)}) + "\n")


if __name__ == "__main__":
    main()
