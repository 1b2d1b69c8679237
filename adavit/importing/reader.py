"""From a file to what its pickle describes, with what to say of a file that is something else."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.importing.machine import Machine
from adavit.importing.records import UnreadablePickle
from adavit.runtime.inputs import check_regular

LARGEST_FILE_BYTES = 2**31
"""Of a network pickle; those of 1024 px have a fifth of it."""

_OTHERS = (
    (b"version https://git-lfs", "it is the pointer of a Git LFS file, not the file"),
    (b"<", "it is a web page, not the file"),
    (b"PK\x03\x04", "it is a zip archive, as torch.save writes state dicts of other ports"),
    (b"\x89HDF", "it is an HDF5 file"),
    (b"\x1f\x8b", "it is compressed by gzip"),
    (b"\x89PNG", "it is an image"),
    (b"\xff\xd8\xff", "it is an image"),
)
"""What else is found under such a name, by its first bytes."""


@dataclass(frozen=True)
class ReadPickle:
    """A pickle as it was read.

    Attributes:
        value: Plain values and records.
        digest: SHA-256 of the file, hexadecimal.
    """

    value: Any
    digest: str


def read_pickle(path: Path) -> ReadPickle:
    """Reads a pickle without running anything of it.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be read.
        UnreadablePickle: If it is something else, damaged or too large.
    """
    check_regular(path)
    with path.open("rb") as file:
        content = file.read(LARGEST_FILE_BYTES + 1)
    if len(content) > LARGEST_FILE_BYTES:
        raise UnreadablePickle(f"it has over {LARGEST_FILE_BYTES >> 20:,} MB")
    if not content:
        raise UnreadablePickle("it is empty")
    for beginning, what in _OTHERS:
        if content.lstrip().startswith(beginning):
            raise UnreadablePickle(what)
    if content[8:9] == b"{" and int.from_bytes(content[:8], "little") < len(content):
        raise UnreadablePickle("it is a safetensors file")
    value = Machine(memoryview(content)).run()
    return ReadPickle(value, hashlib.sha256(content).hexdigest())
