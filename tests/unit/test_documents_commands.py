"""Every command in the documents is run here, or stands in a list that says why not."""

import re
import shlex
import subprocess

import pytest

from tests.support.documents import ROOT, documents

CLOUD = "needs an account at AWS or Cloudflare, or a host"
NETWORK = "downloads"
LONG = "too long: asked of make with --dry-run"

NOT_RUN = {
    r"pulumi .*": CLOUD,
    r"\(umask 077; pulumi stack output .*\)": CLOUD,
    r"SHOAL_OUTPUTS_FILE=\S+ make deploy": CLOUD,
    r"(\.venv/bin/)?shoal (report|doctor) https://.*": CLOUD,
    r"(cd ansible && \.\./\.venv/bin/)?ansible-playbook .*": CLOUD,
    r"rm -r \.shoal/known_hosts": CLOUD,
    r"curl .*": NETWORK,
    r"\.\./tools/npm install --save-exact NAME": NETWORK,
    r"\.venv/bin/shoal report": "tests/integration/test_documents.py runs it beside a station",
    r"make [a-z].*": LONG,
    r"(ssh|systemctl|journalctl)\b.*": CLOUD,
    r"(df|getfacl|sqlite3)\b.*": CLOUD,
}
SERVICES = ("broadcaster", "signaling", "site")
RUN_S = 120


def commands() -> set[str]:
    """Return the commands in fenced code, and our commands with arguments in running text."""
    found: set[str] = set()
    for document in documents():
        found.update(document.commands)
        found.update(
            span for span in document.spans if re.match(r"(shoal|make|ansible-playbook) \S", span)
        )
        found.update(
            span for span in document.spans if re.match(r"(\.venv/|\.\./tools/)\S+ \S", span)
        )
    return found


def reason(command: str) -> str | None:
    """Return why a command is not run; None for one that is."""
    return next((why for shape, why in NOT_RUN.items() if re.fullmatch(shape, command)), None)


def runnable(command: str) -> list[str]:
    """Return what is run for a command: with `--help` where it would go on for ever."""
    if command == "shoal SERVICE --help":
        return [f".venv/bin/shoal {service} --help" for service in SERVICES]
    if command.startswith("shoal "):
        name, *arguments = shlex.split(command)[1:]
        asked = arguments if name in ("routes", "cost") and arguments else ["--help"]
        return [shlex.join([".venv/bin/shoal", name, *asked])]
    return [command]


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False
    )


def ours() -> list[str]:
    return sorted({line for one in commands() if reason(one) is None for line in runnable(one)})


def dry_runs() -> list[str]:
    lines = (command for command in commands() if reason(command) == LONG)
    return sorted(line.replace("make ", "make --dry-run ", 1) for line in lines)


@pytest.mark.parametrize("command", ours())
def test_a_command_does_what_its_document_says(command: str) -> None:
    # what is neither ours nor in the list above belongs into one of them
    assert command.startswith(
        (".venv/bin/shoal ", ".venv/bin/python ", "cd player && ../tools/npm ")
    )
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", dry_runs())
def test_make_takes_it(command: str) -> None:
    done = run(command)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("shape", NOT_RUN)
def test_what_is_not_run_is_still_in_a_document(shape: str) -> None:
    spans = {span for document in documents() for span in document.spans}
    assert any(re.fullmatch(shape, command) for command in commands() | spans)


def test_a_new_command_is_noticed() -> None:
    assert reason("rm -rf /") is None
    assert runnable("rm -rf /") == ["rm -rf /"]
    assert reason("make up") == LONG
    assert len(ours()) > 8
    assert len(dry_runs()) > 20
