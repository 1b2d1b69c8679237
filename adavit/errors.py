"""The two classes of errors that users are shown, and the exit code of each.

A message has three parts: what was wrong (with the value), what was expected, what to do. The command line prints it
without a traceback; anything that is not one of these classes is a mistake of ours and keeps its traceback.
"""

import math
import reprlib
from typing import Any


def first_line(error: BaseException) -> str:
    """What a library says is wrong, short enough to stand within a message; its class if it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def shown(value: Any) -> str:
    """A value as a message shows it: short, whatever a file may hold.

    Integers of thousands of digits cannot be printed at all, and aliases in YAML make a short file
    endless when it is.
    """
    return _ShortRepr().repr(value)


class _ShortRepr(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxlist, self.maxdict, self.maxtuple = 3, 4, 4, 4
        self.maxstring = self.maxother = 80

    def repr_int(self, value: int, level: int) -> str:
        """Digits, or how many there are."""
        digits = round(abs(value).bit_length() * math.log10(2))
        return f"<{digits} digits>" if digits > 40 else repr(value)


class Portable(Exception):
    """An exception that comes out of another process as it was, whatever its class takes.

    Pickling builds exceptions anew from `args`, which hold the message, not what the message was made of; one that
    cannot be built takes the whole pool of processes with it.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """As pickle asks for it."""
        return _as_it_was, (type(self), self.args), self.__dict__


def _as_it_was(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    return kind.__new__(kind, *args)


class UserError(Portable, ValueError):
    """Something the user can mend: a flag, a key, a file, absent weights or data. Exit code 2."""


class RunError(Portable, RuntimeError):
    """Something that failed while running: disk full, memory, device, training that diverged. Exit code 1."""
