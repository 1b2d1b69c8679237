"""Records of evaluations on disk: one JSON file each, and one line each in a run's log."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.metrics.names import metric_of

LOG_NAME = "evaluations.jsonl"
"""File of a run directory that `adavit evaluate` adds its records to."""


def check_writable(out: Path) -> None:
    """Refuses a file that could not be written after minutes of work.

    Raises:
        UserError: If `out` is a folder, or its folder is not there or may not be written.
    """
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(
            f"--out {str(out)!r} cannot be written, expected a file in a folder that is there."
            " Choose another, such as --out record.json."
        )


def append_record(log: Path, record: Mapping[str, Any]) -> None:
    """Adds a line to a log; what a kill left of a half-written one stays a line of its own.

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


def read_record(path: Path) -> dict[str, Any]:
    """A record as `--out` wrote it.

    Raises:
        UserError: If it cannot be read or is no record.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RecursionError):
        reason = "it is not JSON"
    else:
        if is_record(record):
            return dict(record)
        reason = "it has no figure with a protocol"
    raise UserError(
        f"{str(path)!r} is no record of an evaluation ({reason}), expected a file of adavit"
        " evaluate --out, or a run. Check the path."
    )


def read_log(log: Path) -> list[dict[str, Any]]:
    """The whole records of a log of JSON lines, oldest first; none if there is no file."""
    if not log.is_file():
        return []
    records = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # half a line, from a kill
            continue
        if is_record(record):
            records.append(record)
    return records


def is_record(value: object) -> bool:
    """Whether something read from JSON is a record: figures by name, and their protocol."""
    return (
        isinstance(value, dict) and isinstance(value.get("protocol"), dict) and bool(figures(value))
    )


def figures(record: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a record by recorded name, in its order: no spreads, no scores of real images."""
    return {
        name: float(value)
        for name, value in record.items()
        if metric_of(name) is not None
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
    }
