"""Errors that an operator can act on."""


class OperatorError(Exception):
    """A fault that the operator can fix: printed as one line, never with a stack trace.

    The message says what was tried, on what, what came back, and what to do.
    """
