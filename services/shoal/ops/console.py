"""Output of a command. Its reader may stop reading before the end, as `head` does."""

import os
import sys

from rich.console import Console


class PipeConsole(Console):
    """A console that discards its output once the reader is gone.

    Rich's own exits with status 1 then, which `shoal doctor` uses for a broken station.
    """

    def on_broken_pipe(self) -> None:
        """Discard everything from now on."""
        self.quiet = True
        _discard_stdout()


def write(text: str) -> None:
    """Print text as it is; discard it once the reader is gone."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()


def _discard_stdout() -> None:
    """Send what is still buffered to /dev/null, or Python complains about it at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
