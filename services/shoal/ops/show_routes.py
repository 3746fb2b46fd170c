"""`shoal routes`: the route table for people, for cloudflared, and as JSON."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.table import Table

from shoal.config.settings import StationSettings, load
from shoal.errors import OperatorError
from shoal.hostnames import parse_hostname, sibling_hostname
from shoal.ingress import Rule, addresses_of, find_rule, ingress_rules, parse_request
from shoal.ops.console import write
from shoal.routes import HostRole, routes

Format = Literal["table", "cloudflared", "json"]
PLACEHOLDER = "station.invalid"
"""stands for a station without a hostname (RFC 2606: no host ever has this name)"""
NAMES = {
    PLACEHOLDER: "the station",
    sibling_hostname(PLACEHOLDER, "admin", apex=True): "its admin hostname",
}


@dataclass(frozen=True)
class RoutesOptions:
    """Options of `shoal routes`."""

    hostname: str | None
    admin_hostname: str | None
    access: bool
    format: Format
    check: str | None
    """a URL"""


def run(options: RoutesOptions) -> None:
    """Print the route table; raise OperatorError for bad options or settings."""
    try:
        text = render(options)
    except ValueError as error:
        raise OperatorError(str(error)) from error
    write(text)


def render(options: RoutesOptions) -> str:
    """Return the text to print. Raises ValueError, and OperatorError for bad settings."""
    if options.admin_hostname is not None and not options.access:
        raise ValueError("--admin-hostname needs --access: without it there is no admin hostname")
    host, path = parse_request(options.check) if options.check is not None else (None, "")
    station = options.hostname or host or PLACEHOLDER
    rules = ingress_rules(
        routes(access=options.access),
        _hostnames(station, options),
        addresses_of(load(StationSettings)),
    )
    if options.check is not None:
        return _check(rules, options.check, host or "", path)
    if options.format == "json":
        return json.dumps([_as_dict(number, rule) for number, rule in enumerate(rules)]) + "\n"
    if options.format == "cloudflared":
        if options.hostname is None:
            raise ValueError("--format cloudflared needs --hostname, such as tv.example.org")
        return _cloudflared(rules)
    return _table(rules)


def _hostnames(station: str, options: RoutesOptions) -> dict[HostRole, str]:
    for name in filter(None, (options.hostname, options.admin_hostname)):
        parse_hostname(name)
    apex = station.count(".") == 1
    admin = options.admin_hostname or sibling_hostname(station, "admin", apex=apex)
    return {"station": station, "admin": admin}


def _check(rules: Sequence[Rule], url: str, host: str, path: str) -> str:
    number = find_rule(rules, host, path)
    rule = rules[number]
    found = {"url": url, "rule": number, "service": rule.service, "address": rule.address}
    return json.dumps(found) + "\n"


def _as_dict(number: int, rule: Rule) -> dict[str, str | int | None]:
    return {
        "rule": number,
        "hostname": rule.hostname,
        "path": rule.path,
        "service": rule.service,
        "address": rule.address,
    }


def _cloudflared(rules: Sequence[Rule]) -> str:
    """Return a config.yml; JSON strings are valid YAML."""
    lines = [
        "# cloudflared's config.yml for a locally managed tunnel. Add the tunnel's own two lines,",
        "# then validate it: cloudflared tunnel --config config.yml ingress validate",
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
                "    # without this line a request that gets around Access is let in:",
                "    # originRequest: {access: {required: true, teamName: team, audTag: [tag]}}",
            ]
    return "\n".join(lines) + "\n"


def _table(rules: Sequence[Rule]) -> str:
    table = Table(title="The first rule that matches applies", title_justify="left")
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
