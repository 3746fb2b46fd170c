"""Print docs/variables.md: all variables of the roles, from their argument_specs."""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
ROLES = ("base", "owncast", "shoal", "cloudflared")
HEAD = """# Variables

The variables of the Ansible roles, from the `argument_specs` that check them. `make variables`
writes this page. Set variables in the inventory; [hosts.md](hosts.md) describes the deployment, and
which variables `pulumi up` sets.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(line for role in ROLES for line in _role(role))])


def _role(role: str) -> Iterator[str]:
    specs = yaml.safe_load((ROOT / f"ansible/roles/{role}/meta/argument_specs.yml").read_text())
    for entry, spec in specs["argument_specs"].items():
        yield f"## {role}" if entry == "main" else f"### {entry}.yml"
        yield f"\n{spec['short_description']}.\n"
        yield "| variable | type | default | description |"
        yield "| --- | --- | --- | --- |"
        yield from _options(spec["options"], "")
        yield ""


def _options(options: Mapping[str, Mapping[str, Any]], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        kind = option["type"]
        if "elements" in option:
            kind += f" of {option['elements']}"
        if "choices" in option:
            kind = " \\| ".join(f"`{choice}`" for choice in option["choices"])
        text = " ".join(option["description"].split())
        secret = " Secret." if option.get("no_log") else ""
        yield f"| `{prefix}{name}` | {kind} | {_default(option)} | {text}{secret} |"
        yield from _options(option.get("options", {}), f"{prefix}{name}[].")


def _default(option: Mapping[str, Any]) -> str:
    if option.get("required"):
        return "**required**"
    value = option["default"]
    if isinstance(value, str) and " " in value:
        return value
    if isinstance(value, bool):
        value = str(value).lower()
    return "none" if value in ("", []) else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
