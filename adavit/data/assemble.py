"""Images of a source -> one array: look at their sizes, decode each once, choose the channels."""

import math
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass

import numpy as np
from PIL import Image

from adavit.data.channels import convert_channels
from adavit.data.default_resolution import Size
from adavit.data.files.collection import SourceImage
from adavit.data.files.decode import Decoded, decode, largest_sample, seen_size
from adavit.data.files.deep import FULL_WHITE
from adavit.data.files.fit import FITS, Fit, cleared
from adavit.data.files.formats import NoReader, OpenedImage, Unavailable, Unreadable
from adavit.data.files.frames import Frames, frame_name, list_frames
from adavit.data.files.members import Skipped, printable
from adavit.data.files.resize import Box
from adavit.data.image_buffer import ImageBuffer
from adavit.data.reading import Reading
from adavit.data.survey import Survey
from adavit.errors import RunError
from adavit.runtime.resolution import Resolution

Progress = Callable[[int, int], None]
# Images in flight: enough to keep the threads busy, few enough not to pile up decoded images.
_CHUNK = 64
_CROP = FITS["crop"]
_READ_BLOCK_BYTES = 16 << 20
# Images of more pixels are decoded one at a time: 100 megapixels take up to 1 GB, 250 up to 3 GB.
_LARGE_PIXELS = 16_000_000


@contextmanager
def decoding_threads() -> Iterator[ThreadPoolExecutor]:
    """Threads for decoding, which Pillow does without Python's lock; its warnings are silenced.

    The limit of `formats.MAXIMUM_PIXELS` stands in for Pillow's warning of large images, which comes
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


def sizes_of(sources: Sequence[SourceImage], threads: ThreadPoolExecutor) -> list[Size]:
    """Width and height of each image, as it is seen, from the headers; those that cannot be read are left out."""
    return [size for size in threads.map(_size, sources) if size is not None]


def _size(source: SourceImage) -> Size | None:
    try:
        with source.open() as opened:
            return seen_size(opened)
    except Unreadable:
        return None


def white_of(
    reading: Reading,
    sources: Sequence[SourceImage],
    threads: ThreadPoolExecutor,
    *,
    resolution: Resolution,
    fit: Fit,
) -> int | None:
    """The white of images of more than 8 bits, as `decode_all` takes it.

    Args:
        reading: How files are read; where a set has a white of its own, every sample of it is looked at.
        sources: What will be decoded.
        threads: Where to decode.
        resolution: Of what will be decoded.
        fit: As for `decode`.

    Returns:
        Of a set the smallest 2^bits - 1 that no sample of grey or colour exceeds; None if no image has more than 8
        bits, or each has its own.

    Raises:
        RunError: If the memory does not suffice for one image.
    """
    if reading.scale_16bit == "set":
        return _common_white(sources, reading.frames, threads, resolution=resolution, fit=fit)
    return FULL_WHITE if reading.scale_16bit == "full" else None


def _common_white(
    sources: Sequence[SourceImage],
    frames: Frames,
    threads: ThreadPoolExecutor,
    *,
    resolution: Resolution,
    fit: Fit,
) -> int | None:
    large = threading.Lock()

    def look(source: SourceImage) -> int:
        largest = -1
        try:
            with suppress(Unreadable), source.open() as opened:
                for number in list_frames(opened) if frames == "all" else [0]:
                    # What cannot be read is named when it is decoded; the other pages count.
                    with suppress(Unreadable):
                        opened.seek(number)
                        with _alone_if_large(opened, large):
                            found = largest_sample(opened, resolution, fit)
                        largest = largest if found is None else max(largest, found)
        except MemoryError as error:
            raise _too_large(printable(source.name)) from error
        return largest

    largest = max(threads.map(look, sources), default=-1)
    return None if largest < 0 else int(2 ** max(1, largest.bit_length()) - 1)


def decode_all(
    sources: Sequence[SourceImage],
    buffer: ImageBuffer,
    threads: ThreadPoolExecutor,
    progress: Progress | None,
    *,
    frames: Frames = "first",
    white: int | None = None,
    fit: Fit = _CROP,
) -> Survey:
    """Decode every image into the buffer, in order.

    Args:
        sources: What to decode.
        buffer: Receives uint8 [4, H, W] for each image that can be read.
        threads: Where to decode.
        progress: Called with the number of sources done and the number of all.
        frames: Which frames of a file are images.
        white: As for `decode`.
        fit: Likewise.

    Returns:
        What was seen.

    Raises:
        RunError: If the memory does not suffice for one image alone.
    """
    survey = Survey()

    def read(opened: OpenedImage) -> Decoded:
        return decode(opened, Resolution(*buffer.shape[1:]), white, fit)

    large = threading.Lock()

    def attempt(source: SourceImage) -> "_Image | _Frames | Unreadable | MemoryError":
        try:
            with source.open() as opened:
                numbers, seen = list_frames(opened), seen_size(opened)
                if frames == "all" and len(numbers) > 1:
                    return _Frames(numbers)
                with _alone_if_large(opened, large):
                    return _Image(read(opened), seen, len(numbers))
        except (Unreadable, MemoryError) as error:
            return error

    def keep(index: int, name: str, outcome: "_Image | Unreadable | MemoryError") -> None:
        if isinstance(outcome, MemoryError):
            raise _too_large(name) from outcome
        if isinstance(outcome, Unreadable):
            survey.skipped.append(Skipped(name, str(outcome)))
            survey.unavailable += isinstance(outcome, Unavailable)
            if isinstance(outcome, NoReader):
                survey.not_read.add(outcome.format)
            return
        buffer.append(outcome.decoded.planes)
        survey.add(index, name, outcome.size, outcome.decoded)

    for start in range(0, len(sources), _CHUNK):
        chunk = sources[start : start + _CHUNK]
        for index, outcome in enumerate(list(threads.map(attempt, chunk)), start=start):
            source = sources[index]
            if isinstance(outcome, MemoryError):  # alone it may fit
                outcome = attempt(source)
            name = printable(source.name)
            if not isinstance(outcome, _Frames):
                if isinstance(outcome, _Image) and outcome.frames > 1:
                    survey.frames.append(outcome.frames)
                keep(index, name, outcome)
                continue
            survey.frames.append(len(outcome.numbers))
            for number, frame in _decode_frames(source, outcome.numbers, read):
                keep(index, frame_name(name, number), frame)
        if progress is not None:
            progress(start + len(chunk), len(sources))
    return survey


@dataclass(frozen=True)
class _Image:
    """A decoded image, its size as it is seen, and the number of images in its file."""

    decoded: Decoded
    size: tuple[int, int]
    frames: int


@dataclass(frozen=True)
class _Frames:
    """Numbers of a file's frames, which are decoded one after the other: most build on those before them."""

    numbers: list[int]


def _decode_frames(
    source: SourceImage, numbers: Sequence[int], read: Callable[[OpenedImage], Decoded]
) -> Iterator[tuple[int, _Image | Unreadable | MemoryError]]:
    done = -1
    try:
        with source.open() as opened:
            for number in numbers:
                try:
                    opened.seek(number)
                    seen = seen_size(opened)
                    yield number, _Image(read(opened), seen, len(numbers))
                except (Unreadable, MemoryError) as error:
                    yield number, error
                done = number
    except (Unreadable, MemoryError) as error:  # the file is gone since its frames were counted
        yield from ((number, error) for number in numbers if number > done)


def _alone_if_large(opened: OpenedImage, lock: threading.Lock) -> AbstractContextManager[object]:
    width, height = opened.size
    return lock if width * height > _LARGE_PIXELS else nullcontext()


def _too_large(name: str) -> RunError:
    return RunError(
        f"there is not enough memory to decode {name}. Free some, or leave the image out."
    )


def converted_blocks(
    buffer: ImageBuffer, channels: int, inside: Sequence[Box | None]
) -> Iterator[np.ndarray]:
    """The buffered RGBA images with their final channels, uint8 [n, channels, H, W] at a time.

    Args:
        buffer: What `decode_all` has filled.
        channels: 1, 3 or 4; of 4 what fills images up is transparent, so that all images of a set are filled up alike.
        inside: Of its survey.
    """
    step = max(1, _READ_BLOCK_BYTES // math.prod(buffer.shape))
    for start in range(0, len(buffer), step):
        images = buffer.read(start, start + step)
        if channels == 4:
            images = cleared(images, inside[start : start + step])
        yield convert_channels(images, channels)
