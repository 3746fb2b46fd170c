"""player/src/dashboard/types.ts follows the structs of shoal/api_types.py."""

from pathlib import Path

from tools.dashboard_types import types

ROOT = Path(__file__).parents[2]


def test_the_types_are_current() -> None:
    committed = (ROOT / "player/src/dashboard/types.ts").read_text()
    assert committed == types(), "`make dashboard-types` writes it"
