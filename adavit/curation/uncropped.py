"""Images as a whole, neither cropped nor resized: decoded as for training, and then cut."""

from collections.abc import Sequence

from adavit.data.assemble import decoding_threads, white_of
from adavit.data.files.collection import SourceImage
from adavit.data.files.decode import Decoded, decode
from adavit.data.files.fit import Placement
from adavit.data.files.formats import OpenedImage
from adavit.data.files.resize import Box
from adavit.data.reading import Reading, Scale16Bit
from adavit.runtime.resolution import Resolution


class AsItIs:
    """A `Fit` that leaves an image the size and shape that it has once it is turned."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """See `Fit`; the target does not matter."""
        width, height = size
        return Placement(Box(0, 0, width, height), (height, width), Resolution(height, width))


def white_of_whole(sources: Sequence[SourceImage], scale_16bit: Scale16Bit) -> int | None:
    """The white of images of more than 8 bits, as `decode_whole` takes it.

    Args:
        sources: All files of a set; where it has a white of its own, every sample of each is looked at.
        scale_16bit: As of a `Reading`.

    Returns:
        As `white_of`.

    Raises:
        RunError: If the memory does not suffice for one image.
    """
    reading, whatever = Reading(scale_16bit=scale_16bit), Resolution(1, 1)
    with decoding_threads() as threads:
        return white_of(reading, sources, threads, resolution=whatever, fit=AsItIs())


def decode_whole(opened: OpenedImage, white: int | None = None) -> Decoded:
    """Decode and orient one image.

    Args:
        opened: The image; what it holds cannot be decoded a second time.
        white: As for `decode`.

    Returns:
        The image and what was found in it, with planes uint8 [4, H, W] of its own size.

    Raises:
        Unreadable: As `decode`.
        MemoryError: If memory ran out.
    """
    width, height = opened.size
    return decode(opened, Resolution(height, width), white, AsItIs())
