"""A reader that stops early, as `head` does, changes no exit status."""

import os
import subprocess

import pytest

from tests.support.station import SHOAL, free_port


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["cost", "--viewers", "100"], 0),
        (["cost", "--viewers", "100", "--json"], 0),
        (["routes"], 0),
        # no station there: broken
        (["doctor", f"http://127.0.0.1:{free_port()}", "--json"], 1),
    ],
    ids=["cost", "cost as JSON", "routes", "doctor"],
)
def test_a_command_whose_reader_is_gone_exits_quietly(arguments: list[str], status: int) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*SHOAL, *arguments], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
        )
    finally:
        os.close(writer)
    assert (result.returncode, result.stderr.decode()) == (status, "")
