"""Images as a whole, neither cropped nor resized: decoded as for training, and then cut."""

from adavit.data.files.decode import Decoded, decode
from adavit.data.files.fit import Placement
from adavit.data.files.formats import OpenedImage
from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution


class AsItIs:
    """A `Fit` that leaves an image the size and shape that it has once it is turned."""

    def place(self, size: tuple[int, int], target: Resolution) -> Placement:
        """See `Fit`; the target does not matter."""
        width, height = size
        return Placement(Box(0, 0, width, height), (height, width), Resolution(height, width))


def decode_whole(opened: OpenedImage) -> Decoded:
    """Decode and orient one image.

    Args:
        opened: The image; what it holds cannot be decoded a second time.

    Returns:
        The image and what was found in it, with planes uint8 [4, H, W] of its own size.

    Raises:
        Unreadable: As `decode`.
        MemoryError: If memory ran out.
    """
    width, height = opened.size
    return decode(opened, Resolution(height, width), fit=AsItIs())
