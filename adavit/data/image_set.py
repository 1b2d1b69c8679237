"""`ImageSet`: images of one size in memory or mapped from the cache, with labels and where they come from."""

from dataclasses import dataclass

import numpy as np

from adavit.data.files.members import Skipped
from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution


@dataclass(frozen=True)
class ImageSet:
    """A set of images, all of one size.

    Attributes:
        name: Short and safe as part of a file name, e.g. "small_set" or the stem of a zip.
        images: uint8 [N, C, H, W], usually a read-only memory map; C is 1 (grey), 3 (RGB) or 4
            (RGBA, colour not multiplied by alpha).
        labels: int64 [N] into `classes`, or None when no classes were found.
        classes: Names of the classes; empty without labels.
        fingerprint: SHA-256 of shape, pixels and labels, in hexadecimal.
        skipped: Files that are not among the images, with the reasons.
        source: The resolved path, or the name as given.
        notes: Sentences for the log: what was found and what was done to it.
        names: Path of each image inside the folder or zip, unprintable characters escaped, a frame of a
            file as "a.gif#003"; empty for a set that has no files. Two files may share one, as names are escaped.
        files: Index of each image among what its source holds, in the order of a `Collection`; empty where it is that
            of the image.
        stretch: How many times as wide, over their height, the images were at the median as they are now; None where
            they were not stretched.
        inside: Where each lies in what it was filled up to (`--fit pad`), None for one that fills it; empty where all
            do.
        discriminator_saw: Networks trained on other images that the discriminator saw of the generator that drew
            them, as the files say; None where not all say that there was none.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple[str, ...]
    fingerprint: str
    skipped: tuple[Skipped, ...]
    source: str
    notes: tuple[str, ...]
    names: tuple[str, ...] = ()
    files: tuple[int, ...] = ()
    stretch: float | None = None
    inside: tuple[Box | None, ...] = ()
    discriminator_saw: tuple[str, ...] | None = None

    @property
    def resolution(self) -> Resolution:
        """Height and width of the images."""
        return Resolution(*self.images.shape[2:])

    @property
    def channels(self) -> int:
        """1 (grey), 3 (RGB) or 4 (RGBA); `CHANNEL_NAMES` has their names."""
        return int(self.images.shape[1])

    def __len__(self) -> int:
        return len(self.images)
