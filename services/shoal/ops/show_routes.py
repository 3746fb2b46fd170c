"""`shoal routes`: the route table, as people, cloudflared or machines read it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

from shoal.config.settings import StationSettings, load
from shoal.errors import OperatorError
from shoal.hostnames import beside, hostname
from shoal.ingress import Rule, addresses_of, find, ingress, request_of
from shoal.ops.console import write
from shoal.routes import HostRole, routes

Format = Literal["table", "cloudflared", "json"]
PLACEHOLDER = "station.invalid"
"""stands for the station while nobody has named it (RFC 2606: nobody ever has that name)"""
NAMES = {
    PLACEHOLDER: "the station",
    beside(PLACEHOLDER, "admin", apex=True): "its admin hostname",
}


@dataclass(frozen=True)
class Question:
    """What `shoal routes` was asked."""

    hostname: str | None
    admin_hostname: str | None
    access: bool
    format: Format
    check: str | None
    """a URL"""


def run(question: Question) -> None:
    """Print the answer; whatever is wrong with the question is an OperatorError."""
    try:
        text = answer(question)
    except ValueError as error:
        raise OperatorError(str(error)) from error
    write(text)


def answer(question: Question) -> str:
    """Return what is printed. Raises ValueError, and OperatorError for bad settings."""
    if question.admin_hostname is not None and not question.access:
        raise ValueError("there is no admin hostname without --access")
    host, path = request_of(question.check) if question.check is not None else (None, "")
    station = question.hostname or host or PLACEHOLDER
    rules = ingress(
        routes(access=question.access),
        _hostnames(station, question),
        addresses_of(load(StationSettings)),
    )
    if question.check is not None:
        return _check(rules, question.check, host or "", path)
    if question.format == "json":
        return json.dumps([_described(number, rule) for number, rule in enumerate(rules)]) + "\n"
    if question.format == "cloudflared":
        if question.hostname is None:
            raise ValueError("--format cloudflared needs --hostname, as in tv.example.org")
        return _cloudflared(rules)
    return _table(rules)


def _hostnames(station: str, question: Question) -> dict[HostRole, str]:
    for named in filter(None, (question.hostname, question.admin_hostname)):
        hostname(named)
    apex = station.count(".") == 1
    admin = question.admin_hostname or beside(station, "admin", apex=apex)
    return {"station": station, "admin": admin}


def _check(rules: Sequence[Rule], url: str, host: str, path: str) -> str:
    number = find(rules, host, path)
    rule = rules[number]
    found = {"url": url, "rule": number, "service": rule.service, "address": rule.address}
    return json.dumps(found) + "\n"


def _described(number: int, rule: Rule) -> dict[str, str | int | None]:
    return {
        "rule": number,
        "hostname": rule.hostname,
        "path": rule.path,
        "service": rule.service,
        "address": rule.address,
    }


def _cloudflared(rules: Sequence[Rule]) -> str:
    """Return a config.yml; JSON's strings are YAML's too."""
    lines = [
        "# cloudflared's config.yml, for a tunnel in agent mode. Add the tunnel's own two lines,",
        "# then have it looked at: cloudflared tunnel --config config.yml ingress validate",
        "# tunnel: <its id>",
        "# credentials-file: /etc/cloudflared/<its id>.json",
        "ingress:",
    ]
    for rule in rules:
        fields = {"hostname": rule.hostname, "path": rule.path, "service": rule.target}
        written = [f"{key}: {json.dumps(value)}" for key, value in fields.items() if value]
        lines += [f"  - {written[0]}", *(f"    {line}" for line in written[1:])]
        if rule.service == "owncast":
            lines += [
                "    # without this line whoever finds a way around Access is let in:",
                "    # originRequest: {access: {required: true, teamName: team, audTag: [tag]}}",
            ]
    return "\n".join(lines) + "\n"


def _table(rules: Sequence[Rule]) -> str:
    table = Table(title="The first rule that matches is taken", title_justify="left")
    table.add_column("rule", justify="right")
    for column in ("hostname", "path (RE2)", "service", "address"):
        table.add_column(column, no_wrap=True)
    for number, rule in enumerate(rules):
        name = NAMES.get(rule.hostname or "", rule.hostname) or "any other"
        path = rule.path or "any other"
        table.add_row(str(number), name, path, rule.service, rule.address or "-")
    console = Console(width=None if sys.stdout.isatty() else 120)
    with console.capture() as capture:
        console.print(table)
    return capture.get()
