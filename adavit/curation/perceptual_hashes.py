"""Perceptual hashes of images (the DCT hash of `imagehash`: signs of the lowest frequencies), and whose are close.

They survive another JPEG, another size and another brightness. A hash of 64 bits says the same of different plain
images too.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

BITS = 64
CLOSE_BITS = 10
"""Hashes that differ in more bits are of different images: of random ones 32 differ, give or take 4."""

_BLOCK = 1 << 24
"""Pairs that are looked at together: 64 MiB."""


class PerceptualHashes:
    """Those of some images, and of the same images mirrored.

    Args:
        small: float32 [N, C, S, S] in 0..255, C of 1, 3 or 4.
        progress: Called with the images done and all of them.
    """

    def __init__(self, small: Tensor, progress: Callable[[int, int], None] | None = None) -> None:
        self._plain, self._mirrored = torch.zeros(2, len(small), BITS)
        for index, image in enumerate(small):
            grey = _grey(image)
            self._plain[index] = _hash(grey)
            self._mirrored[index] = _hash(np.ascontiguousarray(grey[:, ::-1]))
            if progress is not None:
                progress(index + 1, len(small))

    def close(self, rows: Tensor, *, mirrored: bool = False) -> Tensor:
        """Which hashes are close to those of some images.

        Args:
            rows: int64 [R], indices of these.
            mirrored: Whether all others are mirrored.

        Returns:
            bool [R, N].
        """
        others = self._mirrored if mirrored else self._plain
        # The product of signs is the number of equal bits less that of different ones.
        return self._plain[rows] @ others.T >= BITS - 2 * CLOSE_BITS

    def candidates(self, *, mirrored: bool) -> Iterator[tuple[int, Tensor]]:
        """The images that may be copies.

        Args:
            mirrored: Whether the second of two is mirrored.

        Yields:
            Each index, ascending, and the larger ones that are close to it, int64 [M].
        """
        count = len(self._plain)
        for rows in torch.arange(count).split(max(1, _BLOCK // max(1, count))):
            for first, row in zip(rows.tolist(), self.close(rows, mirrored=mirrored), strict=True):
                yield first, row[first + 1 :].nonzero()[:, 0] + first + 1


def _grey(image: Tensor) -> np.ndarray:
    """uint8 [S, S]: luma; of RGBA half luma and half alpha, so that dark shapes have a hash."""
    weights = torch.tensor(
        {1: [1.0], 3: [0.299, 0.587, 0.114]}.get(len(image), [0.15, 0.29, 0.06, 0.5])
    )
    grey = torch.einsum("c,chw->hw", weights, image)
    return np.asarray(grey.round().clamp(0, 255).to(torch.uint8).numpy())


def _hash(grey: np.ndarray) -> Tensor:
    """+1 and -1, float32 [BITS]."""
    import imagehash  # brings scipy and PyWavelets, which take half a second

    bits = torch.from_numpy(imagehash.phash(Image.fromarray(grey)).hash.reshape(-1))
    return bits.float() * 2 - 1
