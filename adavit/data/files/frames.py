"""Files of several images: pages of a TIFF, frames of a GIF, an animated WebP, PNG or AVIF."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Literal

from PIL import Image

from adavit.data.files.formats import OpenedImage
from adavit.runtime.wording import counted

Frames = Literal["first", "all"]
# A photograph with a preview or a depth map beside it (MPO, HEIF) is one image.
_FORMATS = frozenset({"TIFF", "GIF", "WEBP", "PNG", "AVIF"})
# Pages are counted by walking from each to the next: a small file could claim millions.
MAXIMUM_FRAMES = 10_000
_TIFF_NEW_SUBFILE_TYPE = 254
# Bit 0: a smaller version of another page; bit 2: a mask of another page (TIFF 6.0, section 8).
_NO_PAGE_OF_ITS_OWN = 0b101


def has_frames(opened: OpenedImage) -> bool:
    """Whether a file may hold more than one image; looks no further than at the header of the second."""
    image = opened.image
    try:
        return image.format in _FORMATS and bool(getattr(image, "is_animated", False))
    except Exception:  # noqa: BLE001 - readers raise anything for damaged frames; the first may still be good
        return False


def list_frames(opened: OpenedImage) -> list[int]:
    """Which frames of a file are images of their own.

    Args:
        opened: The file, of which no pixel was decoded yet. It is at its first frame afterwards.

    Returns:
        Their numbers from 0, ascending, at most 10,000; thumbnails and masks of a TIFF's pages are none. Only [0]
        where there is nothing else.
    """
    if not has_frames(opened):
        return [0]
    image = opened.image
    if image.format == "TIFF":
        found = list(_pages(image))
    else:
        try:
            found = list(range(min(int(getattr(image, "n_frames", 1)), MAXIMUM_FRAMES)))
        except Exception:  # noqa: BLE001 - as in `has_frames`; what was found so far may be good
            found = list(range(image.tell() + 1))
    with suppress(Exception):
        image.seek(0)
    return found or [0]


def _pages(image: Image.Image) -> Iterator[int]:
    """Pages up to the last one whose directory can be read."""
    for number in range(MAXIMUM_FRAMES):
        try:
            image.seek(number)
        except Exception:  # noqa: BLE001 - EOFError behind the last page, anything for a damaged directory
            return
        tags = getattr(image, "tag_v2", {})
        kind = tags.get(_TIFF_NEW_SUBFILE_TYPE, 0)
        if number == 0 or not (isinstance(kind, int) and kind & _NO_PAGE_OF_ITS_OWN):
            yield number


def frame_name(name: str, frame: int) -> str:
    """The name of one frame, as "a.gif#003"; frames are counted from 0."""
    return f"{name}#{frame:03d}"


def found_frames(frames: Sequence[int]) -> str:
    """The beginning of a sentence on files of several images.

    Args:
        frames: How many each has; of one file at least.
    """
    found = f"Found {sum(frames):,} frames or pages in {counted(len(frames), 'file', 'files')}"
    if max(frames) < MAXIMUM_FRAMES:
        return found
    return f"{found} (of a file the first {MAXIMUM_FRAMES:,} count)"
