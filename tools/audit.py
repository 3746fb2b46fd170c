"""`make audit`: query PyPI and npm for known vulnerabilities of the locked packages.

Exit status: 1 if any of them has a fix, 2 if an advisory service could not be queried, else 0. A
vulnerability without a fix is shown, but does not fail the audit: there is nothing to do yet.
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
"""the packages of all other locks are in the first two of these, in the same versions"""
TIMEOUT_S = 600
FIXABLE, UNAVAILABLE = 1, 2


@dataclass(frozen=True, order=True)
class Finding:
    """One known vulnerability of one package."""

    package: str
    advisory: str
    fix: str
    """what fixes it; empty if nothing does yet"""


class AuditUnavailableError(Exception):
    """An advisory service gave no result; the message is what it answered instead."""


def parse_pip_audit(output: str) -> Iterator[Finding]:
    """Yield the findings in pip-audit's JSON. Raises AuditUnavailableError without a result."""
    for package in _json(output, "dependencies"):
        if "skip_reason" in package:
            raise AuditUnavailableError(f"{package['name']} was skipped: {package['skip_reason']}")
        for vulnerability in package["vulns"]:
            yield Finding(
                f"{package['name']} {package['version']}",
                vulnerability["id"],
                ", ".join(vulnerability["fix_versions"]),
            )


def parse_npm_audit(output: str) -> Iterator[Finding]:
    """Yield the findings in npm's JSON. Raises AuditUnavailableError without a result."""
    for name, vulnerability in _json(output, "vulnerabilities").items():
        # an entry names packages that it comes through, and advisories as objects
        advisories = [via["url"] for via in vulnerability["via"] if isinstance(via, dict)]
        fix = vulnerability["fixAvailable"]
        fix_text = f"{fix['name']} {fix['version']}" if isinstance(fix, dict) else "npm audit fix"
        for advisory in advisories:
            yield Finding(f"{name} {vulnerability['range']}", advisory, fix_text if fix else "")


def _json(output: str, key: str) -> Any:
    try:
        return json.loads(output)[key]
    except (ValueError, KeyError, TypeError) as error:
        answer = " ".join(output.split())[:200]
        raise AuditUnavailableError(answer or "no answer") from error


def _output(command: Sequence[str | Path], cwd: Path = ROOT) -> str:
    """Return what a program prints; its exit status cannot tell findings from failures."""
    result = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
    )
    sys.stderr.write(result.stderr)
    return result.stdout


def audit_pip(lock: Path) -> set[Finding]:
    """Return PyPI's findings for a lock; nothing is resolved or installed."""
    program = ROOT / ".venv/audit/bin/pip-audit"
    options = ["--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json"]
    return set(parse_pip_audit(_output([program, *options, "-r", lock])))


def audit_npm() -> set[Finding]:
    """Return npm's findings for player/package-lock.json."""
    command = [ROOT / "tools/npm", "audit", "--package-lock-only", "--audit", "--json"]
    return set(parse_npm_audit(_output(command, ROOT / "player")))


def print_line(line: str) -> None:
    """Print a line without buffering."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Print all findings; return the exit status."""
    findings: set[Finding] = set()
    unavailable = False
    locks = [ROOT / f"requirements/{name}.lock" for name in LOCKS]
    audits = [(lock.name, lambda lock=lock: audit_pip(lock)) for lock in locks]
    for name, audit in [*audits, ("package-lock.json", audit_npm)]:
        try:
            found = audit()
        except (AuditUnavailableError, OSError, subprocess.TimeoutExpired) as error:
            print_line(f"{name}: the advisory service could not be queried: {error}")
            unavailable = True
        else:
            print_line(f"{name}: {len(found)} known vulnerabilities")
            findings |= found
    for finding in sorted(findings):
        print_line(f"{finding.package}: {finding.advisory}: {finding.fix or 'no fix yet'}")
    if any(finding.fix for finding in findings):
        return FIXABLE
    return UNAVAILABLE if unavailable else 0


if __name__ == "__main__":
    sys.exit(main())
