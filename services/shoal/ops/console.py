"""What a command prints. Who reads it may have seen enough before its end, as `head` has."""

import os
import sys

from rich.console import Console


class Output(Console):
    """A console that prints on to nobody once its reader is gone.

    Rich's own ends the program with status 1 then, which says of a station that it is broken.
    """

    def on_broken_pipe(self) -> None:
        """Print no more."""
        self.quiet = True
        _to_nobody()


def write(text: str) -> None:
    """Print text as it is."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nobody()


def _to_nobody() -> None:
    """Let what is still in the buffer go nowhere, or Python complains of it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
