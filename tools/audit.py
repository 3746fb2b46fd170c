"""Ask PyPI and npm for known weaknesses of what our locks name: `make audit`.

Exit status: 1 when one has a fix, 2 when an advisory service could not be asked, else 0; one
without a fix is shown, and fails nothing, because nothing can be done but to know of it.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("dev", "infra", "audit", "bootstrap")
"""what the others name is in the first two of them, at the same versions"""
TIMEOUT_S = 600
FIXABLE, NOT_ASKED = 1, 2


@dataclass(frozen=True, order=True)
class Finding:
    """One known weakness of one package."""

    package: str
    what: str
    fix: str
    """what mends it; empty: nothing does yet"""


class NotAskedError(Exception):
    """An advisory service gave no answer; says what it said."""


def of_pip_audit(output: str) -> Iterator[Finding]:
    """Yield the findings in pip-audit's JSON. Raises NotAskedError where it has none."""
    for package in _json(output, "dependencies"):
        if "skip_reason" in package:
            raise NotAskedError(f"{package['name']} was skipped: {package['skip_reason']}")
        for weakness in package["vulns"]:
            yield Finding(
                f"{package['name']} {package['version']}",
                weakness["id"],
                ", ".join(weakness["fix_versions"]),
            )


def of_npm_audit(output: str) -> Iterator[Finding]:
    """Yield the findings in npm's JSON. Raises NotAskedError where it has none."""
    for name, weakness in _json(output, "vulnerabilities").items():
        # an entry names packages that it comes through, and advisories as objects
        advisories = [via["url"] for via in weakness["via"] if isinstance(via, dict)]
        fix = weakness["fixAvailable"]
        mends = f"{fix['name']} {fix['version']}" if isinstance(fix, dict) else "npm audit fix"
        for advisory in advisories:
            yield Finding(f"{name} {weakness['range']}", advisory, mends if fix else "")


def _json(output: str, key: str) -> Any:
    try:
        return json.loads(output)[key]
    except (ValueError, KeyError, TypeError) as error:
        said = " ".join(output.split())[:200]
        raise NotAskedError(said or "no answer") from error


def _output(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    """Return what a program prints; both exit with 1 for findings and for most else."""
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    sys.stderr.write(done.stderr)
    return done.stdout


def pip(lock: Path) -> set[Finding]:
    """Ask PyPI about a lock; nothing is resolved or installed."""
    program = ROOT / ".venv/audit/bin/pip-audit"
    options = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"]
    return set(of_pip_audit(_output([program, *options, "-r", lock])))


def npm() -> set[Finding]:
    """Ask npm about player/package-lock.json."""
    command = [ROOT / "tools/npm", "audit", "--package-lock-only", "--audit", "--json"]
    return set(of_npm_audit(_output(command, ROOT / "player")))


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Print what is known, and return the exit status."""
    findings: set[Finding] = set()
    not_asked = False
    locks = [ROOT / f"requirements/{name}.lock" for name in LOCKS]
    questions = [(lock.name, lambda lock=lock: pip(lock)) for lock in locks]
    for name, ask in [*questions, ("package-lock.json", npm)]:
        try:
            found = ask()
        except (NotAskedError, OSError, subprocess.TimeoutExpired) as error:
            say(f"{name}: could not be asked about: {error}")
            not_asked = True
        else:
            say(f"{name}: {len(found)} known")
            findings |= found
    for finding in sorted(findings):
        say(f"{finding.package}: {finding.what}: {finding.fix or 'no fix yet'}")
    if any(finding.fix for finding in findings):
        return FIXABLE
    return NOT_ASKED if not_asked else 0


if __name__ == "__main__":
    sys.exit(main())
