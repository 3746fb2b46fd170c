"""`make audit`: output of pip-audit and npm becomes findings, and no result is a failure."""

import json
from pathlib import Path
from typing import Any

import pytest
from tools import audit
from tools.audit import AuditUnavailableError, Finding, parse_npm_audit, parse_pip_audit

# as pip-audit 2.10 prints
PIP = {
    "dependencies": [
        {"name": "rich", "version": "15.0.0", "vulns": []},
        {
            "name": "idna",
            "version": "3.6",
            "vulns": [
                {"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": [], "description": ""}
            ],
        },
    ],
    "fixes": [],
}
SKIPPED = {"dependencies": [{"name": "rich", "skip_reason": "not found on PyPI"}], "fixes": []}
# as npm 11 prints
NPM = {
    "vulnerabilities": {
        "braces": {
            "name": "braces",
            "via": [{"url": "https://github.com/advisories/GHSA-1", "title": "loops"}],
            "range": "<3.0.3",
            "fixAvailable": True,
        },
        "micromatch": {
            "name": "micromatch",
            "via": ["braces"],
            "range": "<=4.0.7",
            "fixAvailable": True,
        },
        "ip": {
            "name": "ip",
            "via": [{"url": "https://github.com/advisories/GHSA-2", "title": "addresses"}],
            "range": "*",
            "fixAvailable": False,
        },
        "vite": {
            "name": "vite",
            "via": [{"url": "https://github.com/advisories/GHSA-3", "title": "paths"}],
            "range": "<8.4.0",
            "fixAvailable": {"name": "vite", "version": "8.4.0", "isSemVerMajor": False},
        },
    }
}
REFUSED = {"message": "405 Method Not Allowed", "error": {"summary": "", "detail": ""}}
FIXABLE = Finding("idna 3.6", "PYSEC-2024-60", "3.7")
UNFIXED = Finding("ip *", "https://github.com/advisories/GHSA-2", "")


def test_pip_audit_names_packages_and_their_fixes() -> None:
    assert list(parse_pip_audit(json.dumps(PIP))) == [FIXABLE]


def test_npm_names_each_advisory_once() -> None:
    assert list(parse_npm_audit(json.dumps(NPM))) == [
        Finding("braces <3.0.3", "https://github.com/advisories/GHSA-1", "npm audit fix"),
        UNFIXED,
        Finding("vite <8.4.0", "https://github.com/advisories/GHSA-3", "vite 8.4.0"),
    ]


@pytest.mark.parametrize("output", ["", "no JSON", "[]", json.dumps(REFUSED)])
def test_no_result_is_a_failure(output: str) -> None:
    with pytest.raises(AuditUnavailableError):
        list(parse_pip_audit(output))
    with pytest.raises(AuditUnavailableError):
        list(parse_npm_audit(output))


def test_a_package_that_pip_audit_skipped_is_a_failure() -> None:
    with pytest.raises(AuditUnavailableError, match="not found on PyPI"):
        list(parse_pip_audit(json.dumps(SKIPPED)))


def test_every_locked_package_is_audited() -> None:
    def pinned(lock: Path) -> set[str]:
        lines = lock.read_text().splitlines()
        return {line.split(" ")[0] for line in lines if line[:1].isalnum()}

    audited = [pinned(audit.ROOT / f"requirements/{name}.lock") for name in audit.LOCKS]
    everything = [pinned(lock) for lock in audit.ROOT.glob("requirements/*.lock")]
    assert set().union(*everything) == set().union(*audited)


@pytest.mark.parametrize(
    ("of_pip", "of_npm", "status"),
    [
        (set(), set(), 0),
        (set(), {UNFIXED}, 0),
        ({FIXABLE}, {UNFIXED}, 1),
        (set(), AuditUnavailableError("405"), 2),
        ({FIXABLE}, AuditUnavailableError("405"), 1),
    ],
)
def test_the_exit_status_tells_whether_there_is_something_to_do(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    of_pip: set[Finding],
    of_npm: Any,
    status: int,
) -> None:
    def npm() -> set[Finding]:
        if isinstance(of_npm, Exception):
            raise of_npm
        return of_npm

    monkeypatch.setattr(audit, "audit_pip", lambda _lock: of_pip)
    monkeypatch.setattr(audit, "audit_npm", npm)
    assert audit.main() == status
    printed = capsys.readouterr().out
    assert "dev.lock: " in printed
    assert ("could not be queried" in printed) == isinstance(of_npm, Exception)
    assert ("no fix yet" in printed) == (of_npm == {UNFIXED})
