"""Spans of time as a person writes them: 90s, 30m, 2h, 1h30m; and when this process began."""

import os
import re
import time
from pathlib import Path

from adavit.errors import shown

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_SPAN = re.compile("".join(rf"(?:(\d{{1,9}}(?:\.\d{{1,9}})?){unit})?" for unit in _UNITS))

LONGEST_START_S = 60.0
"""A process that is older is no command that has just been typed, but a notebook or a server."""


def seconds_in(text: str) -> float:
    """Seconds of a span such as "90s", "30m", "2h", "1h30m", "1.5d" or "2w", > 0.

    Raises:
        ValueError: If it is none.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    numbers = [] if found is None else list(zip(found.groups(), _UNITS.values(), strict=True))
    seconds = sum(float(number) * unit for number, unit in numbers if number)
    if not seconds:
        raise ValueError(
            f"{shown(text)} is not a span of time, expected numbers with w, d, h, m or s, the longest unit first. Write"
            " for example 2h, 30m, 90s, 1h30m or 30d."
        )
    return seconds


def span(seconds: float) -> str:
    """A span as `seconds_in` reads it, in whole seconds and at most two units: "1h30m", "90s" is "1m30s"."""
    rest, parts = max(1, round(seconds)), []
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, int(size))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def process_began(longest_s: float = LONGEST_START_S) -> float:
    """`time.monotonic` of the moment when this process was started; now, where that cannot be known or is long ago.

    Args:
        longest_s: Long ago is more than so many seconds.
    """
    now = time.monotonic()
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    except (OSError, AttributeError, ValueError, IndexError):  # not Linux
        return now
    return now - age if 0 <= age <= longest_s else now
