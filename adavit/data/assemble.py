"""Images of a source -> one array: choose the resolution, decode each once, choose the channels."""

import math
import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from adavit.data.channels import convert_channels, is_coloured, is_transparent
from adavit.data.files.collection import SourceImage
from adavit.data.files.decode import Unavailable, Unreadable, decode
from adavit.data.files.members import Skipped, printable
from adavit.data.image_buffer import ImageBuffer
from adavit.errors import RunError, UserError

Progress = Callable[[int, int], None]
# Sides of the images in pixels: 4 * 2^k.
SMALLEST = 4
LARGEST = 1 << 13
# Images in flight: enough to keep the threads busy, few enough not to pile up decoded images.
_CHUNK = 64
_READ_BLOCK_BYTES = 16 << 20
# Images of more pixels are decoded one at a time: 100 megapixels need about 2 GB while alpha is
# taken care of.
_LARGE_PIXELS = 16_000_000


def check_resolution(resolution: int, key: str = "data.resolution") -> None:
    """Refuse a resolution that the networks cannot have.

    Args:
        resolution: Side in pixels.
        key: The configuration key to name in the message.

    Raises:
        UserError: If it is not 4 * 2^k between 4 and 8192.
    """
    is_power_of_two = resolution > 0 and resolution & (resolution - 1) == 0
    if is_power_of_two and SMALLEST <= resolution <= LARGEST:
        return
    below = SMALLEST
    while below * 2 <= min(resolution, LARGEST):
        below *= 2
    nearest = (
        str(below)
        if below in (LARGEST, resolution) or resolution < below
        else f"{below} or {below * 2}"
    )
    raise UserError(
        f"{key} is {resolution}, but must be 4 * 2^k (4, 8, 16, 32, ... {LARGEST}). Use --resolution {nearest}."
    )


def default_resolution(sides: Sequence[int], cap: int) -> int:
    """The largest power of two that fits the smaller side of more than half of the images.

    Args:
        sides: The smaller side of each image in pixels; at least one.
        cap: Upper limit in pixels.

    Returns:
        The resolution, at least 4.
    """
    # Of the sides from the largest down, the one in the middle is reached by more than half of
    # them.
    fitting = sorted(sides, reverse=True)[len(sides) // 2]
    resolution = SMALLEST
    while resolution * 2 <= min(fitting, cap):
        resolution *= 2
    return resolution


@dataclass
class Survey:
    """What was seen while decoding.

    Attributes:
        kept: Indices of the sources that were decoded, in order.
        skipped: The others, with the reasons.
        sizes: How often each (width, height) in pixels occurs, before cropping.
        transparent: Images with a pixel that is not opaque.
        coloured: Images with a pixel whose red, green and blue differ.
        unavailable: Of those skipped, how many the system refused; another time it may not.
    """

    kept: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    transparent: int = 0
    coloured: int = 0
    unavailable: int = 0


@contextmanager
def decoding_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for decoding, which Pillow does without Python's lock; its warnings are silenced.

    The limit of `decode.MAXIMUM_PIXELS` stands in for Pillow's warning of large images, which comes
    earlier, at 89 megapixels.
    """
    with (
        warnings.catch_warnings(),
        ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="decode") as threads,
    ):
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        # A damaged EXIF block or TIFF tag is worth no line on the terminal when the image itself
        # can be read.
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
        yield threads


def choose_resolution(
    sources: Sequence[SourceImage], cap: int, threads: ThreadPoolExecutor
) -> int | None:
    """The default resolution from the headers of all sources; None if no header can be read."""
    sides = [side for side in threads.map(_smaller_side, sources) if side is not None]
    return default_resolution(sides, cap) if sides else None


def _smaller_side(source: SourceImage) -> int | None:
    try:
        with source.open() as image:
            return min(image.size)
    except Unreadable:
        return None


def decode_all(
    sources: Sequence[SourceImage],
    buffer: ImageBuffer,
    resolution: int,
    threads: ThreadPoolExecutor,
    progress: Progress | None,
) -> Survey:
    """Decode every image into the buffer, in order.

    Args:
        sources: What to decode.
        buffer: Receives uint8 [4, R, R] for each image that can be read.
        resolution: Side of the results, R.
        threads: Where to decode.
        progress: Called with the number of sources done and the number of all.

    Returns:
        What was seen.

    Raises:
        RunError: If the memory does not suffice for one image alone.
    """
    survey = Survey()
    large = threading.Lock()

    def attempt(
        source: SourceImage,
    ) -> tuple[np.ndarray, tuple[int, int]] | Unreadable | MemoryError:
        try:
            with source.open() as image:
                size = image.size
                with large if size[0] * size[1] > _LARGE_PIXELS else nullcontext():
                    return decode(image, resolution), size
        except (Unreadable, MemoryError) as error:
            return error

    for start in range(0, len(sources), _CHUNK):
        chunk = sources[start : start + _CHUNK]
        for offset, outcome in enumerate(list(threads.map(attempt, chunk))):
            if isinstance(outcome, MemoryError):  # alone it may fit
                outcome = attempt(chunk[offset])
            name = printable(chunk[offset].name)
            if isinstance(outcome, MemoryError):
                raise RunError(
                    f"The memory does not suffice to decode {name}. Free some, or leave the image out."
                ) from outcome
            if isinstance(outcome, Unreadable):
                survey.skipped.append(Skipped(name, str(outcome)))
                survey.unavailable += isinstance(outcome, Unavailable)
                continue
            image, size = outcome
            buffer.append(image)
            survey.kept.append(start + offset)
            survey.sizes[size] += 1
            survey.transparent += is_transparent(image)
            survey.coloured += is_coloured(image)
        if progress is not None:
            progress(start + len(chunk), len(sources))
    return survey


def converted_blocks(buffer: ImageBuffer, channels: int) -> Iterator[np.ndarray]:
    """The buffered RGBA images with their final channels, uint8 [n, channels, R, R] at a time."""
    step = max(1, _READ_BLOCK_BYTES // math.prod(buffer.shape))
    for start in range(0, len(buffer), step):
        yield convert_channels(buffer.read(start, start + step), channels)
