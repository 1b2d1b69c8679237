"""Pictures -> one array: choose the resolution, decode each once, choose the channels."""

import os
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import numpy as np
from PIL import Image

from adavit.data.channels import ChannelCensus, convert_channels
from adavit.data.files.collection import Picture
from adavit.data.files.decode import Unreadable, decode
from adavit.data.files.members import Skipped, printable
from adavit.data.image_buffer import ImageBuffer
from adavit.data.resolution import default_resolution

Progress = Callable[[int, int], None]
# Pictures in flight: enough to keep the threads busy, few enough not to pile up decoded images.
_CHUNK = 64
_READ_BLOCK_BYTES = 16 << 20
# Images of more pixels are decoded one at a time: 100 megapixels need about 2 GB while alpha is
# taken care of.
_LARGE_PIXELS = 16_000_000


class Survey:
    """What was seen while decoding.

    Attributes:
        kept: Indices of the pictures that were decoded, in order.
        skipped: The others, with the reasons.
        sizes: How often each (width, height) in pixels occurs, before cropping.
        census: Transparency and colour over the whole set.
    """

    def __init__(self) -> None:
        self.kept: list[int] = []
        self.skipped: list[Skipped] = []
        self.sizes: Counter[tuple[int, int]] = Counter()
        self.census = ChannelCensus()


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
    pictures: Sequence[Picture], cap: int, threads: ThreadPoolExecutor
) -> int | None:
    """The default resolution from the headers of all pictures; None if no header can be read."""
    sides = [side for side in threads.map(_smaller_side, pictures) if side is not None]
    return default_resolution(sides, cap) if sides else None


def _smaller_side(picture: Picture) -> int | None:
    try:
        with picture.open() as image:
            return min(image.size)
    except Unreadable:
        return None


def decode_all(
    pictures: Sequence[Picture],
    buffer: ImageBuffer,
    resolution: int,
    threads: ThreadPoolExecutor,
    progress: Progress | None,
) -> Survey:
    """Decode every picture into the buffer, in order.

    Args:
        pictures: What to decode.
        buffer: Receives uint8 [4, R, R] for each picture that can be read.
        resolution: Side of the results, R.
        threads: Where to decode.
        progress: Called with the number of pictures done and the number of all.

    Returns:
        What was seen.
    """
    survey = Survey()
    large = threading.Lock()

    def attempt(picture: Picture) -> tuple[np.ndarray, tuple[int, int]] | str:
        try:
            with picture.open() as image:
                size = image.size
                with large if size[0] * size[1] > _LARGE_PIXELS else nullcontext():
                    return decode(image, resolution), size
        except Unreadable as error:
            return str(error)

    for start in range(0, len(pictures), _CHUNK):
        chunk = pictures[start : start + _CHUNK]
        for offset, outcome in enumerate(threads.map(attempt, chunk)):
            if isinstance(outcome, str):
                survey.skipped.append(Skipped(printable(chunk[offset].name), outcome))
                continue
            image, size = outcome
            buffer.append(image)
            survey.kept.append(start + offset)
            survey.sizes[size] += 1
            survey.census.add(image)
        if progress is not None:
            progress(start + len(chunk), len(pictures))
    return survey


def converted_blocks(buffer: ImageBuffer, resolution: int, channels: int) -> Iterator[np.ndarray]:
    """The buffered images with their final channels, uint8 [n, channels, R, R] at a time."""
    step = max(1, _READ_BLOCK_BYTES // (4 * resolution * resolution))
    for start in range(0, len(buffer), step):
        yield convert_channels(buffer.read(start, start + step), channels)
