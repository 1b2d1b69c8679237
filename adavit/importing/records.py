"""What a pickle is read as: plain values and records of what it would have called. Nothing here can call anything."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from adavit.errors import shown

LONGEST_NAME = 200
"""Characters of the name of a tensor, with those of the modules that it lies in; published ones have 40."""

_LARGEST_KEY = 2**31


class UnreadablePickle(ValueError):
    """A file is no pickle, is damaged or too large, or would do what no networks do; the message says which."""


class Name(NamedTuple):
    """A class or function that a pickle names. It is never looked up.

    Attributes:
        text: With its module, such as "torch.storage._load_from_bytes".
    """

    text: str


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """An object as its pickle describes it: what would have been called, with what, and what it would have been given.

    Attributes:
        function: Usually a `Name`.
        arguments: Of the call.
        state: What the object's attributes would have been set from; None if nothing.
        entries: What would have been put into it by keys.
    """

    function: Any
    arguments: tuple[Any, ...]
    state: Any = None
    entries: dict[str | int, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of what would have been called; empty where that has none."""
        return self.function.text if isinstance(self.function, Name) else ""

    def __repr__(self) -> str:
        """In a few words: records that share their parts would unfold without end."""
        return f"<{described(self)}>"


def check_array_kind(arguments: tuple[Any, ...]) -> None:
    """Refuses NumPy's arrays of objects, whose elements are pickles of their own.

    Args:
        arguments: Of `numpy.dtype`.

    Raises:
        UnreadablePickle: If that is the kind they name.
    """
    kind = arguments[0] if arguments else ""
    if isinstance(kind, str) and kind.lstrip("|<>=").rstrip("0123456789_") in ("O", "object"):
        raise UnreadablePickle("it has a NumPy array of objects")


def put_all(filled: dict[str | int, Any], flat: list[Any]) -> None:
    """Sets pairs of a key and a value that follow each other, as far as the keys are plain.

    Others, which no network has, could take endless time to compare.

    Args:
        filled: Changed in place.
        flat: Key, value, key, value, ...

    Raises:
        ValueError: If a value is missing.
    """
    for key, value in zip(flat[::2], flat[1::2], strict=True):
        if isinstance(key, str) or (type(key) is int and abs(key) < _LARGEST_KEY):
            filled[key] = value


def name_within(before: str, name: str | int) -> str:
    """The name of a part of a network, which a file of some KB could name with other parts of it thousands of times.

    Args:
        before: Name of what it lies in, with what stands between the two.
        name: Its own.

    Raises:
        UnreadablePickle: If it has more than `LONGEST_NAME` characters.
    """
    found = f"{before}{name}"
    if len(found) > LONGEST_NAME:
        raise UnreadablePickle(
            f"it has a name of {len(found):,} characters, more than {LONGEST_NAME}: {shown(found)}"
        )
    return found


def entries_of(value: Any) -> dict[Any, Any]:
    """What a dictionary holds, or an object that was filled like one; empty for anything else."""
    if isinstance(value, dict):
        return value
    return value.entries if isinstance(value, Record) else {}


def described(value: Any) -> str:
    """A value in a few words, whatever a file may hold."""
    if isinstance(value, Record):
        return f"an object of {shown(value.name or 'a nameless kind')}"
    if isinstance(value, Name):
        return f"the name {shown(value.text)}"
    if isinstance(value, dict):
        keys = ", ".join(str(key)[:40] for key in list(value)[:5])
        return f"a dictionary of {len(value)}" + (f": {keys}" if keys else "")
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, memoryview):
        return f"{len(value)} bytes"
    return shown(value)
