import logging
import os
import subprocess
import sys

import pytest

from shoal.logs import JournalFormatter

LOG = """
import logging, os, sys
from shoal import logs
if len(sys.argv) > 1:
    status = os.fstat(2)
    os.environ["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
logs.set_up("INFO")
logging.getLogger("shoal.x").warning("one\\ntwo")
"""


@pytest.mark.parametrize(
    ("level", "priority"),
    [("DEBUG", 7), ("INFO", 6), ("WARNING", 4), ("ERROR", 3), ("CRITICAL", 2)],
)
def test_a_level_has_the_priority_of_syslog(level: str, priority: int) -> None:
    record = logging.LogRecord("x", getattr(logging, level), "", 0, "text", None, None)
    assert JournalFormatter().format(record) == f"<{priority}>text"


def test_the_journal_gets_priorities_on_every_line_and_no_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOG, "journal"], capture_output=True, text=True, check=True
    )
    assert done.stderr == "<4>shoal.x: one\n<4>two\n"


def test_a_terminal_gets_the_time() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
    done = subprocess.run(
        [sys.executable, "-c", LOG], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stderr.endswith(" WARNING shoal.x: one\ntwo\n")
    assert "<" not in done.stderr
