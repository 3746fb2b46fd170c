"""Logging: with time and level for a terminal, with systemd's priorities for the journal."""

import logging
import os
import sys

_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
"""Python's levels → syslog's; anything below is 7, debug"""


class JournalFormatter(logging.Formatter):
    """Begins each line with its priority (sd-daemon(3)), for `journalctl -p`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, each line with its priority."""
        priority = next((p for level, p in _PRIORITIES if record.levelno >= level), 7)
        text = super().format(record)
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


def set_up(level: str) -> None:
    """Log to stderr, from `level` up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JournalFormatter("%(name)s: %(message)s")
        if _is_journal()
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler])


def _is_journal() -> bool:
    """Return whether stderr leads to the journal: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
