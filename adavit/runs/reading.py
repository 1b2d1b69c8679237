"""Tolerant readers of text, JSON and YAML: damaged, foreign and hostile files give what is sound in them, no error."""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from adavit.errors import UserError
from adavit.runtime.resolution import Resolution

MAXIMUM_BYTES = 64 * 2**20
"""No description of a run comes near it; what is larger is not read. A log may be longer."""


TENSORS = "tensors_sha256"
"""Entry of the metadata of a weights file: the digest of its tensors, which a record of an evaluation holds too."""

MAXIMUM_PARTS, MAXIMUM_DEPTH = 1000, 20
"""Of a nested setting; what is larger is not shown."""


def read_bytes(path: Path, maximum: int) -> bytes | None:
    """A file, or None if it is absent, larger than `maximum`, or no file: a pipe or a device has no end."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return file.read(size) if size <= maximum else None
    except OSError:
        return None


def read_text(path: Path) -> str | None:
    """A UTF-8 text file, or None if it is absent, too large or something else."""
    try:
        content = read_bytes(path, MAXIMUM_BYTES)
        return None if content is None else content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if there is none."""
    return json_object(read_text(path) or "")


def json_object(content: str) -> dict[str, Any]:
    """The object that JSON text is; empty if it is something else."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return mapping(values)


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; empty if there is none."""
    try:
        values = yaml.safe_load(read_text(path) or "")
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def read_weights_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says about itself, without its tensors; empty if there is none."""
    try:
        if not path.is_file():
            return {}
        with path.open("rb") as file:
            return _metadata(file)
    except OSError:
        return {}


def weights_metadata(content: bytes) -> dict[str, str]:
    """The same of the bytes of such a file."""
    return _metadata(io.BytesIO(content))


def _metadata(file: BinaryIO) -> dict[str, str]:
    """What is said at the beginning of a file: the length of a JSON object in eight bytes, the lowest first, and it."""
    length = int.from_bytes(file.read(8), "little")
    try:
        header = (file.read(length) if length <= MAXIMUM_BYTES else b"").decode("utf-8")
    except UnicodeDecodeError:
        return {}
    stored = mapping(json_object(header).get("__metadata__"))
    return {key: value for key, value in stored.items() if isinstance(value, str)}


def networks_seen(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`features.seen` of the settings of a run, by section: networks that it was judged through, or tuned."""
    seen = mapping(config.get("features")).get("seen")
    return tuple(map(str, seen)) if isinstance(seen, list) else ()


def flat_settings(sections: Mapping[str, Any]) -> dict[str, Any]:
    """`{"data": {"mirror": True}}` as `{"data.mirror": True}`.

    Plain values and lists of them stay what they are; anything deeper becomes one line of JSON.
    """
    flat: dict[str, Any] = {}
    for section, values in sections.items():
        for key, value in values.items() if isinstance(values, dict) else ():
            if not isinstance(section, str) or not isinstance(key, str):
                continue  # no setting; numbers as keys may be too long to print
            plain = isinstance(value, str | int | float | bool | None)
            if plain or (
                isinstance(value, list) and all(isinstance(v, str | int | float) for v in value)
            ):
                flat[f"{section}.{key}"] = value
            else:
                flat[f"{section}.{key}"] = _one_line(value)
    return flat


def number(value: Any) -> float | None:
    """A finite number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        value = float(value)
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """The mean of those that are known, as `number` gives them; None where none is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def resolution_of(value: Any) -> Resolution | None:
    """Height and width as `Resolution.plain` writes them, or None for anything else."""
    try:
        return Resolution.of(value)
    except UserError:
        return None


def text(value: Any) -> str:
    """A string as it is, anything else as an empty one."""
    return value if isinstance(value, str) else ""


def mapping(value: Any) -> dict[str, Any]:
    """A mapping as it is, anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _one_line(value: Any) -> str:
    """A nested value as JSON; aliases in YAML can make a short file endless when it is printed."""
    parts = 0

    def count(item: Any, depth: int) -> None:
        nonlocal parts
        parts += 1
        if parts > MAXIMUM_PARTS or depth > MAXIMUM_DEPTH:
            raise ValueError("too large")
        inside = [*item, *item.values()] if isinstance(item, dict) else item
        for part in inside if isinstance(inside, list) else ():
            count(part, depth + 1)

    try:
        count(value, 0)
        return json.dumps(value, default=str, skipkeys=True)
    except (ValueError, TypeError):
        return "(too large to show)"
