"""What the headers of image files say, without decoding a pixel: format, mode, size, profile, quality of a JPEG."""

import functools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from adavit.data.default_resolution import part_left
from adavit.data.files.collection import SourceImage
from adavit.data.files.decode import seen_size
from adavit.data.files.formats import OpenedImage, Unreadable
from adavit.data.files.members import printable
from adavit.runtime.resolution import Resolution

# The luminance table of the JPEG standard (ITU-T T.81, table K.1), in any order: only its sum is compared.
_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
LOW_QUALITY = 50
"""Blocks of a JPEG below it are seen, and learnt."""

LEAST_LEFT = 0.5
"""Part of an image that a crop leaves, of which less is suspicious."""

_SUFFIXES = {
    "PNG": {".png", ".apng"},
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
    "AVIF": {".avif", ".avifs"},
    "HEIF": {".heic", ".heics", ".heif", ".heifs", ".hif"},
}


@dataclass(frozen=True)
class FileFacts:
    """What the header of a file says.

    Attributes:
        name: Path inside the source, printable.
        format: As Pillow calls it, such as "JPEG"; "" for an image that is no file.
        mode: As Pillow calls it, such as "RGB" or "P".
        size: Width and height in pixels, as the image is seen (turned as its EXIF says).
        has_profile: Whether it carries a colour profile, be it one that cannot be used.
        quality: Of a JPEG, from 1 to 100; None for other formats.
    """

    name: str
    format: str
    mode: str
    size: tuple[int, int]
    has_profile: bool
    quality: int | None

    def suspicion(self, resolution: Resolution) -> str:
        """What is odd about it, as the end of the sentence "it ..."; "" if nothing is.

        Args:
            resolution: Of the set that it is in, to whose shape it may be cut.
        """
        suffix = PurePosixPath(self.name).suffix.lower()
        known = _SUFFIXES.get(self.format, {suffix})
        if suffix not in known:
            return f"is a {self.format} by its content, though it is called {suffix or 'nothing'}"
        if part_left(self.size, resolution) <= LEAST_LEFT:
            width, height = self.size
            return f"is {width}x{height} px, of which a crop to the shape of {resolution} leaves half or less"
        return ""


def read_facts(
    sources: Sequence[SourceImage],
    threads: ThreadPoolExecutor,
) -> list[FileFacts]:
    """The headers of all files that have one, in their order.

    Args:
        sources: The files.
        threads: Where they are read.
    """
    return [facts for facts in threads.map(_facts_of, sources) if facts is not None]


def _facts_of(source: SourceImage) -> FileFacts | None:
    try:
        with source.open() as opened:
            image = opened.image
            return FileFacts(
                printable(source.name),
                image.format or "",
                image.mode,
                seen_size(opened),
                opened.lost_profile or opened.profile != b"",  # one that Pillow gives up on, too
                jpeg_quality(opened),
            )
    except Unreadable:
        return None


def jpeg_quality(opened: OpenedImage) -> int | None:
    """The quality that a JPEG was written with, from its first quantisation table.

    The Independent JPEG Group's library scales the table of the standard by a quality from 1 to 100; of other
    tables the quality is told whose table has the nearest sum.

    Args:
        opened: The image, not yet decoded.

    Returns:
        1 to 100; None for other formats.
    """
    tables = getattr(opened.image, "quantization", None)
    if opened.image.format not in ("JPEG", "MPO") or not tables:
        return None
    total = sum(tables[min(tables)])
    return min(range(100, 0, -1), key=lambda quality: abs(_table_sum(quality) - total))


@functools.cache
def _table_sum(quality: int) -> int:
    """Sum of the table that libjpeg makes for a quality (`jpeg_set_quality`)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE)
