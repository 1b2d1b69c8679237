"""What a file of weights says about itself: texts by name, of which most are JSON of a certain kind."""

import json
import re
from collections.abc import Mapping
from typing import Any

from adavit.errors import shown

MOST_COUNTED = 2**53
"""Counts are below it: a script in a page holds them exactly, and no run comes near."""

UNKNOWN = "unknown"
"""In the place of a fingerprint that nobody knows."""


class Metadata:
    """Reads entries and refuses what is of another kind.

    Args:
        entries: Texts by name.
    """

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = entries

    def text(self, name: str) -> str:
        """An entry as it is.

        Raises:
            ValueError: If there is none.
        """
        if name not in self._entries:
            raise ValueError(f"it says nothing of its {name}")
        return self._entries[name]

    def fingerprint(self, name: str) -> str:
        """An entry that is a SHA-256, hexadecimal, or `UNKNOWN`.

        Raises:
            ValueError: If there is none, or it is something else.
        """
        text = self.text(name)
        if text != UNKNOWN and not re.fullmatch("[0-9a-f]{64}", text):
            raise ValueError(f"its {name} is {shown(text)}, which is not a fingerprint")
        return text

    def value(self, name: str) -> Any:
        """An entry that is JSON.

        Raises:
            ValueError: If there is none, or it is not JSON.
        """
        try:
            return json.loads(self.text(name))
        except (json.JSONDecodeError, RecursionError):
            raise ValueError(f"its {name} is not JSON") from None

    def object(self, name: str) -> dict[str, Any]:
        """An entry that is an object of JSON.

        Raises:
            ValueError: If it is something else.
        """
        value = self.value(name)
        if not isinstance(value, dict):
            raise ValueError(f"its {name} is {shown(value)}, which is not an object")
        return value

    def count(self, name: str) -> int:
        """An entry that is a whole number from 0.

        Raises:
            ValueError: If it is something else, or `MOST_COUNTED` or more.
        """
        value = self.value(name)
        if type(value) is not int or not 0 <= value < MOST_COUNTED:
            raise ValueError(f"its {name} is {shown(value)}, which is not a count")
        return value
