"""Errors that an operator can act on."""


class OperatorError(Exception):
    """Something that the operator can mend: printed as one line, never as a stack trace.

    The message says what went wrong, on what, and what to do about it.
    """
