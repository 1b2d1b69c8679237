"""Logs as lines of JSON, each an object: appended for good, read and cut back line by line.

A kill may leave half a line at the end, a bad disk anything anywhere: what is no object costs its own
line and no other.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from adavit.runs.reading import json_object
from adavit.runtime.files import unfinished_file


def append_record(log: Path, record: Mapping[str, Any]) -> None:
    """Adds a line to a log; what a kill left of a half-written one stays a line of its own.

    It is on the disk when this returns, so that a checkpoint written afterwards never knows of a line that a
    power cut takes.

    Raises:
        OSError: If it cannot be written.
    """
    with log.open("a+b") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(log: Path) -> list[dict[str, Any]]:
    """The objects in a log; empty if there is none, or it cannot be read."""
    return list(each_json_line(log))


def each_json_line(log: Path) -> Iterator[dict[str, Any]]:
    """As `read_json_lines`, one at a time: a million of them take 2 GB."""
    yield from (record for _, record in numbered_json_lines(log) if record)


def numbered_json_lines(log: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number from 1 of each line of a log, and the object in it; an empty one where it is damaged.

    Empty lines are left out, and half a line at the end, which a kill leaves.
    """
    with contextlib.suppress(OSError):
        if log.is_file():
            with log.open("rb") as file:
                for number, (line, record) in enumerate(_lines(file), start=1):
                    if record or (line.endswith(b"\n") and line.strip()):
                        yield number, record


def keep_lines(log: Path, wanted: Callable[[Mapping[str, Any]], bool | None]) -> list[int]:
    """Replaces a log by those of its lines that are wanted, unchanged and in their order.

    Args:
        log: The file; nothing is done if it is not there.
        wanted: Whether to keep an object; None if it is not what the log is made of.

    Returns:
        Numbers from 1 of the lines that were damaged and are gone; half a line at the end, which a
        kill leaves, is not among them.

    Raises:
        OSError: If it cannot be read, or not be written.
    """
    if not log.exists():
        return []
    damaged = []
    with unfinished_file(log.parent, f".{log.name}.") as (kept, finish):
        with log.open("rb") as file:
            for number, (line, record) in enumerate(_lines(file), start=1):
                answer = wanted(record) if record else None
                if answer:
                    kept.write(line.removesuffix(b"\n") + b"\n")
                elif answer is None and line.endswith(b"\n") and line.strip():
                    damaged.append(number)
        finish(log)  # of a file that is open Windows lets none take the place
    return damaged


def _lines(file: BinaryIO) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Each line as it is, and the object in it; an empty one where there is none."""
    for line in file:
        try:
            yield line, json_object(line.decode("utf-8"))
        except UnicodeDecodeError:
            yield line, {}
