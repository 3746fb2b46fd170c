"""Print player/src/dashboard/types.ts: the TypeScript types of the events of `/api/events`.

msgspec writes a JSON schema of the structs in shoal/api_types.py, and json-schema-to-typescript
turns it into interfaces. Build time only: the dashboard trusts its own station and just casts.
"""

import ast
import inspect
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from shoal import api_types
from shoal.api_types import HistoryColumns, OperatorStation, RoomsView

ROOT = Path(__file__).resolve().parent.parent
BANNER = "/** Generated from services/shoal/api_types.py by `make dashboard-types`. */"
EVENTS = {"station": OperatorStation, "history": HistoryColumns, "rooms": RoomsView | None}
"""the data of each event, by its name"""


def schema() -> dict[str, Any]:
    """Return the JSON schema of `EVENTS` as a whole."""
    roots, definitions = msgspec.json.schema_components(
        EVENTS.values(), ref_template="#/$defs/{name}"
    )
    fields = _field_docstrings()
    for name, definition in definitions.items():
        _as_encoded(definition)
        definition["description"] = inspect.cleandoc(definition["description"])
        properties = definition.get("properties", {})
        for field, docstring in fields[name].items():
            # in allOf, because a description beside a $ref would be ignored
            properties[field] = {"description": docstring, "allOf": [properties[field]]}
    return {
        "title": "EventData",
        "description": "The data of the events of `/api/events`, by event name.",
        "type": "object",
        "properties": dict(zip(EVENTS, roots, strict=True)),
        "required": list(EVENTS),
        "$defs": definitions,
    }


def _as_encoded(definition: dict[str, Any]) -> None:
    """Change the schema of what may be decoded to that of what is encoded, in draft 4's terms."""
    properties = definition.get("properties", {})
    # the encoder writes every field, those with a default too
    definition["required"] = list(properties)
    for field in properties.values():
        field.pop("default", None)
    if "prefixItems" in definition:
        definition["items"] = definition.pop("prefixItems")
        definition["additionalItems"] = False
        definition["maxItems"] = definition["minItems"]


def _field_docstrings() -> dict[str, dict[str, str]]:
    """Return the docstrings of fields, by class and field: msgspec's schema leaves them out."""
    classes = ast.parse(inspect.getsource(api_types)).body
    return {
        one.name: {
            field.target.id: text
            for field, after in pairwise(one.body)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if isinstance(text := after.value.value, str)
        }
        for one in classes
        if isinstance(one, ast.ClassDef)
    }


def types() -> str:
    """Return the text of player/src/dashboard/types.ts."""
    command = ["../tools/npm", "exec", "--offline", "--", "json2ts", "--no-additionalProperties"]
    command += ["--bannerComment", BANNER, "--style.printWidth", "100"]
    done = subprocess.run(
        command,
        cwd=ROOT / "player",
        input=json.dumps(schema()),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"json2ts failed with status {done.returncode}: {done.stderr}")
    one_line = re.sub(r"/\*\*\n +\* (.{1,90})\n +\*/", r"/** \1 */", done.stdout)
    return one_line.replace("\n}\n/**", "\n}\n\n/**")


if __name__ == "__main__":
    sys.stdout.write(types())
