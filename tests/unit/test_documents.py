"""What the documents name is there: links, settings, routes, files, make targets, commands."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from shoal.config.settings import BroadcasterSettings, SignalingSettings, SiteSettings, describe
from tests.support.documents import ROOT, Document, documents

GENERATED = {"docs/licences.md"}
"""full of other people's names"""
DOCUMENTS = [document for document in documents() if document.name not in GENERATED]
CODE = ("services", "player/src", "player/build", "ansible", "infra", "tools", "tests", "Makefile")
NO_CODE = {"node_modules", "static", "__pycache__", "secrets"}

MADE = (".artifacts/", ".bench/", ".shoal/", "ansible/secrets/", "live/", "state/", "vod/")
"""folders that tests, benches, `shoal up` and the playbook fill, and keys of the bucket"""
ELSEWHERE = {
    "../.venv/bin/": "of make",
    "ansible/inventory/group_vars/": "the operator's",
    "ansible/inventory/group_vars/shoal.yml": "the operator's",
    "inventory/group_vars/shoal.yml": "the operator's",
    "config.yml": "of a tunnel in agent mode",
    "hls.js": "a package",
    "styles.json": "of the player's build",
    "player/node_modules": "of npm",
}
"""other names that look like files of the repository"""
PROGRAM = "infra/shoal_infra/program.py"
OWNCAST = {"/admin", "/hls", "/hls/stream.m3u8"}
EXAMPLES = {"<variant>": "0", "<segment>": "x.ts", "…": "0", "*": "x"}
"""of what varies in routes"""
HOST = ("/etc/", "/opt/", "/run/", "/usr/", "/var/")


@cache
def files() -> dict[str, Path]:
    """Return the files and folders of the repository by their paths in it."""
    found: dict[str, Path] = {}
    for top in (
        *CODE,
        "requirements",
        "docs",
        "player",
        "pyproject.toml",
        "Pulumi.yaml",
        "typings",
    ):
        paths = [ROOT / top, *((ROOT / top).rglob("*") if (ROOT / top).is_dir() else ())]
        for path in paths:
            relative = path.relative_to(ROOT)
            if not NO_CODE & set(relative.parts):
                found[str(relative)] = path
    return found


@cache
def code() -> str:
    """Return the text of all code, tests of the documents excepted."""
    texts = [
        path.read_text(errors="replace")
        for name, path in files().items()
        if path.is_file() and name.startswith(CODE) and "test_documents" not in name
    ]
    return "\n".join(texts)


@cache
def words() -> set[str]:
    """Return the names in all code."""
    return set(re.findall(r"\w+", code()))


@cache
def settings() -> set[str]:
    """Return the environment variables of the services."""
    kinds = (BroadcasterSettings, SignalingSettings, SiteSettings)
    return {line.split()[0] for kind in kinds for line in describe(kind).splitlines()}


@cache
def routes() -> list[str]:
    """Return the paths that services serve, as expressions."""
    found: set[str] = set()
    for name, path in files().items():
        if re.fullmatch(r"services/shoal/(broadcaster|signaling|site)/.*\.py", name):
            text = path.read_text()
            found.update(re.findall(r'(?:web\.get|add_get)\(\s*f?r?"(/[^"]*)"', text))
            found.update(re.findall(r'"(/[\w./-]*)"[:,\n]', text))
    varying = re.compile(r"\{\w+(?::((?:[^{}]|\{[^{}]*\})*))?\}")
    return [varying.sub(lambda part: part[1] or "[^/]+", path) for path in found]


def names(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield a document's name and each different match of a pattern in its spans and commands."""
    for document in DOCUMENTS:
        text = "\n".join((*document.spans, *document.commands))
        for found in sorted(set(re.findall(pattern, text))):
            yield document.name, found


@pytest.mark.parametrize("document", documents(), ids=lambda document: document.name)
def test_links_lead_somewhere(document: Document) -> None:
    lost = [
        f"{path.relative_to(ROOT)}#{anchor}"
        for path, anchor in document.links
        if not path.exists() or (anchor and anchor not in Document(path).anchors)
    ]
    assert lost == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_every_page_is_reached_from_the_readme(path: Path) -> None:
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page not in seen and page.suffix == ".md":
            seen.add(page)
            ahead += [target for target, _ in Document(page).links if target.exists()]
    assert path in seen


def test_settings_exist() -> None:
    unknown = [
        (document, name)
        for document, name in names(r"\bSHOAL_[A-Z0-9_]+\b")
        if name not in settings() | words()
    ]
    assert unknown == []


def test_variables_and_metrics_exist() -> None:
    unknown = [
        (document, name)
        for document, name in names(r"\b(?:shoal|base|owncast|cloudflared)_[a-z0-9_]+\b")
        if name.removesuffix("_total") not in words()
    ]
    assert unknown == []


def is_known(path: str) -> bool:
    """Return whether a path in a document is served, Owncast's, or one of the host's."""
    if path.startswith(HOST):
        begin = re.split(r"[*<]|[A-Z]{3,}", path)[0].rstrip("/")
        return begin in code()
    asked = path.split("?", maxsplit=1)[0]
    for shown, example in EXAMPLES.items():
        asked = asked.replace(shown, example)
    return path in OWNCAST or any(re.fullmatch(route, asked) for route in routes())


def test_routes_exist() -> None:
    spans = {(document.name, span) for document in DOCUMENTS for span in document.spans}
    paths = [(name, span) for name, span in spans if re.fullmatch(r"/[^\s(]*", span)]
    assert len(paths) > 50
    assert [found for found in paths if not is_known(found[1])] == []


def test_what_is_not_served_is_not_known() -> None:
    assert is_known("/live/<variant>/<segment>.ts")
    assert is_known("/etc/shoal/*.env")
    for path in ("/live", "/live/none.json", "/api/none", "/etc/none/*.env"):
        assert not is_known(path)


def test_files_exist() -> None:
    spans = {(document.name, span) for document in DOCUMENTS for span in document.spans}
    shaped = re.compile(
        r"[\w.<>-][\w.@<>-]*(/[\w.@<>-]*)+|[\w-]+\.(py|ts|yml|css|html|j2|lock|toml)"
    )
    tails = {f"/{name}" for name in files()}
    lost = [
        (document, span)
        for document, span in spans
        if shaped.fullmatch(span) and span not in ELSEWHERE and not span.startswith(MADE)
        if not any(tail.endswith(f"/{span.rstrip('/')}") for tail in tails)
    ]
    assert lost == []


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_make_targets_exist() -> None:
    named = {target for _, target in names(r"\bmake ([a-z][a-z0-9-]*)")}
    assert named - targets() == set()
    # what make does with no one knowing is no habit of anybody
    assert targets() - named - {"clean", "player", *requirements()} == set()


def requirements() -> set[str]:
    """Return the targets that install what tests need."""
    return {path.name.removeprefix("need-") for path in ROOT.glob("tools/need-*")}


@pytest.mark.parametrize("target", sorted(targets()))
def test_make_knows_what_to_do(target: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", target],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_settings_and_outputs_of_the_pulumi_program_exist() -> None:
    program = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    known = {*program["config"], "aws:region", "cloudflare:apiToken", "KEY"}
    named = {key for _, key in names(r"pulumi config set (?:-\S+ )*'?([\w:]+)")}
    assert "hostname" in named
    assert named <= known
    exported = set(re.findall(r'^        "(\w+)": ', (ROOT / PROGRAM).read_text(), re.MULTILINE))
    assert {output for _, output in names(r"pulumi stack output (\w+)")} <= exported
    deploy = (ROOT / "docs/deploy.md").read_text()
    assert {name for name in exported if f"`{name}`" not in deploy} == set()


def test_playbooks_and_tags_exist() -> None:
    for _, playbook in names(r"ansible-playbook (\S+)"):
        assert (ROOT / "ansible" / playbook).is_file()
    [play] = yaml.safe_load((ROOT / "ansible/site.yml").read_text())
    tags = {tag for role in play["roles"] for tag in role["tags"]}
    assert {tag for _, tag in names(r"--tags (\w+)")} <= tags
