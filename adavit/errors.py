"""The two classes of errors that users are shown, and the exit code of each.

A message has three parts: what was wrong (with the value), what was expected, what to do. The command line prints it
without a traceback; anything that is not one of these classes is a mistake of ours and keeps its traceback.
"""


def first_line(error: BaseException) -> str:
    """What a library says is wrong, short enough to stand within a message; its class if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


class UserError(ValueError):
    """Something the user can mend: a flag, a key, a file, absent weights or data. Exit code 2."""


class RunError(RuntimeError):
    """Something that failed while running: disk full, memory, device, training that diverged. Exit code 1."""
