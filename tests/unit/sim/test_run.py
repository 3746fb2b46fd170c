"""A small `make sim`."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.bench.sim import Spans, simulate

SMALL = Spans(arrival=20.0, settling=15.0, warm_up=10.0, window=15.0)
RUN = (
    "import json; from tests.bench.sim import Spans, simulate;"
    "print(json.dumps(simulate({viewers}, 3, Spans(10.0, 15.0, 5.0, 10.0))))"
)


def run(viewers: int, hash_seed: str) -> dict[str, Any]:
    """Simulate in a new process."""
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", RUN.format(viewers=viewers)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def test_a_thousand_viewers_share() -> None:
    outcome = simulate(1_000, 1, SMALL)
    assert outcome["limit"] - 0.15 < outcome["share"] < outcome["limit"]
    assert 1 < outcome["upload_max_over_mean"] < 4
    assert 0 < outcome["repair_rate"] < 0.25
    assert outcome["repair_rate"] == pytest.approx(sum(outcome["repair"].values()))
    assert 1_000 / 32 < outcome["rooms"] < 1_000 / 16
    assert outcome["messages"]["segment"] > 3_600 / 5
    assert outcome["messages"]["stats"] == pytest.approx(360, rel=0.4)
    assert outcome["copies_per_room"] > 1 + outcome["startup_copies_per_room"]


def test_the_same_seed_gives_the_same_results_in_any_process() -> None:
    one, other = run(60, "1"), run(60, "2")
    assert one.pop("seconds") > 0 < other.pop("seconds")
    assert one == other
