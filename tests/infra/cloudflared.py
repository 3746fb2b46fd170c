"""What cloudflared does with ingress rules in the form of its API, reimplemented from its source.

It shares no code with `shoal.ingress`, so that the two can be compared. It uses Python's regular
expressions for Go's: on patterns without backslashes they match the same.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

Ingress = Sequence[Mapping[str, Any]]


def validate(rules: Ingress) -> None:
    """Raise ValueError if cloudflared would not start with the rules (ingress.go, validate)."""
    if not rules:
        raise ValueError("no ingress rules")
    for number, rule in enumerate(rules):
        host, path, service = rule.get("hostname", ""), rule.get("path", ""), rule["service"]
        if ":" in host or host.rfind("*") > 0:
            raise ValueError(f"rule {number}: hostname {host}")
        catch_all = host in ("", "*") and not path
        if catch_all != (number == len(rules) - 1):
            raise ValueError(f"rule {number}: the last rule, and no other, must match everything")
        re.compile(path)
        if re.fullmatch(r"http_status:\d{3}", service):
            continue
        url = urlsplit(service)
        if url.scheme not in ("http", "https") or not url.hostname or url.path or url.query:
            raise ValueError(f"rule {number}: service {service}")


def service_for(rules: Ingress, url: str) -> str:
    """Return where cloudflared sends a request for a URL (FindMatchingRule, Rule.Matches)."""
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    path = unquote(re.split(r"[?#]", rest[len(authority) :], maxsplit=1)[0]) or "/"
    host = authority.rpartition("@")[2].partition(":")[0]
    for rule in rules:
        if rule.get("hostname", "") not in ("", "*", host):
            continue
        pattern = rule.get("path", "").replace("$", r"\Z")
        if not pattern or re.search(pattern, path):
            return str(rule["service"])
    raise AssertionError("the last rule matches everything")
