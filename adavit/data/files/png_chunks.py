"""PNG as a list of chunks: what to leave out of a file so that its pixels can be read.

A PNG may carry text, dates, profiles and anything else in chunks of their own (PNG specification,
third edition, section 11.3). Pillow reads all of them and refuses the whole file for one that is
damaged or unpacks to over a megabyte.
"""

import tempfile
import zlib
from typing import BinaryIO

_SIGNATURE_BYTES = 8
# Critical chunks begin with a capital letter; these others have a part in the pixels or in how they are turned.
_NEEDED = frozenset({b"tRNS", b"acTL", b"fcTL", b"fdAT", b"eXIf"})
_PROFILE = b"iCCP"
_ANCILLARY_BIT = 0x20
_IN_MEMORY_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 20
_LONGEST_EXIF = 1 << 16


def without_ancillary_chunks(stream: BinaryIO) -> tuple[BinaryIO, bool]:
    """A copy of a PNG that holds only the chunks its pixels need.

    Args:
        stream: The file, positioned at its start; it is read to its end.

    Returns:
        The copy at its start (beyond 64 MB in a temporary file), and whether a colour profile was left out. A file
        that is cut off stays cut off.
    """
    copy: BinaryIO = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # type: ignore[assignment]
    copy.write(stream.read(_SIGNATURE_BYTES))
    had_profile = False
    while len(head := stream.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        had_profile |= kind == _PROFILE
        if kind[0] & _ANCILLARY_BIT and (
            kind not in _NEEDED or not _is_sound(stream, kind, length)
        ):
            stream.seek(length + 4, 1)
            continue
        copy.write(head)
        _copy(stream, copy, length + 4)
        if kind == b"IEND":
            break
    copy.seek(0)
    return copy, had_profile


def _is_sound(stream: BinaryIO, kind: bytes, length: int) -> bool:
    """Whether EXIF is as it was written; the other chunks are needed whatever they are like."""
    if kind != b"eXIf":
        return True
    if length > _LONGEST_EXIF:
        return False
    start = stream.tell()
    data, checksum = stream.read(length), stream.read(4)
    stream.seek(start)
    return zlib.crc32(kind + data) == int.from_bytes(checksum, "big")


def _copy(source: BinaryIO, target: BinaryIO, count: int) -> None:
    while count > 0:
        block = source.read(min(count, _BLOCK_BYTES))
        if not block:
            return
        target.write(block)
        count -= len(block)
