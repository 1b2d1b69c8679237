"""Batches for training: shuffled epochs, a function of (seed, purpose, images seen) and of nothing else."""

import os

import numpy as np
import torch
from torch import Tensor

from adavit.augment.devices import is_accelerator
from adavit.data.image_set import ImageSet
from adavit.data.pixels import images_to_float
from adavit.errors import RunError
from adavit.runtime.randomness import generator_for

_COPY_BLOCK = 1024


class BatchSampler:
    """Draws batches without replacement within an epoch, on the device that trains.

    The images seen so far say where in which epoch a batch starts, so there is no state to save: a
    resumed run draws what an uninterrupted one would have drawn, with whatever batch sizes. On an
    accelerator the bytes of the chosen images lie in its memory and are indexed there, if they
    are resident and fit; else, and on a CPU, they stay in the memory-mapped file.

    Args:
        image_set: Where the images come from.
        indices: Those to draw from, int64, at least one.
        seed: The run's seed.
        purpose: Name of the random stream, e.g. "data" or "heldout".
        device: Where the batches go.
        labelled: Whether batches come with the labels that the images may have.
        mirror: Whether each image is there a second time, flipped left to right; an epoch then has
            twice the items.
        resident: Whether an accelerator may hold the images.
    """

    def __init__(
        self,
        image_set: ImageSet,
        indices: np.ndarray,
        *,
        seed: int,
        purpose: str,
        device: torch.device,
        labelled: bool = True,
        mirror: bool = False,
        resident: bool = True,
    ) -> None:
        if len(indices) == 0:
            raise ValueError(
                "indices is empty, but a sampler needs at least one image to draw from."
            )
        self._indices = np.asarray(indices, dtype=np.int64)
        self._images = image_set.images
        self._seed = seed
        self._purpose = purpose
        self._device = torch.device(device)
        self._mirror = mirror
        self._epochs: dict[int, Tensor] = {}
        self._labels = None
        if labelled and image_set.labels is not None:
            self._labels = torch.from_numpy(image_set.labels[self._indices]).to(self._device)
        self._resident = self._copy_to_device() if resident else None

    def __len__(self) -> int:
        """Items in an epoch: the images, twice as many with mirroring."""
        return len(self._indices) * (2 if self._mirror else 1)

    def batch(self, start: int, count: int) -> tuple[Tensor, Tensor | None]:
        """The images from `start` on in the endless sequence of shuffled epochs.

        Args:
            start: Images seen so far, >= 0.
            count: Images to draw, >= 1; may be more than an epoch has.

        Returns:
            Images [count, C, R, R], float32 in [-1, 1], and labels [count], int64, or None without
            classes; on the device.

        Raises:
            RunError: If the file of the images was cut short.
        """
        items = self._items(start, count)
        rows = items % len(self._indices)
        images = images_to_float(self._bytes(rows))
        if self._mirror:
            flips = (items >= len(self._indices)).to(self._device)
            images = torch.where(flips[:, None, None, None], images.flip(3), images)
        return images, None if self._labels is None else self._labels[rows.to(self._device)]

    def _items(self, start: int, count: int) -> Tensor:
        """Item numbers in [0, len(self)) at positions start .. start + count, where the images are."""
        parts, filled = [], 0
        while filled < count:
            epoch, offset = divmod(start + filled, len(self))
            taken = min(count - filled, len(self) - offset)
            parts.append(self._permutation(epoch)[offset : offset + taken])
            filled += taken
        return torch.cat(parts)

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._epochs:
            # Drawn on the CPU, so that every kind of device sees the images in the same order. Brought to the images
            # whole: the numbers of each batch would wait for the device each time.
            generator = generator_for(self._seed, self._purpose, epoch)
            permutation = torch.randperm(len(self), generator=generator)
            if self._resident is not None:
                permutation = permutation.to(self._device)
            self._epochs[epoch] = permutation
            while (
                len(self._epochs) > 2
            ):  # a batch may span two epochs; those asked for earlier are over
                del self._epochs[next(iter(self._epochs))]
        return self._epochs[epoch]

    def _bytes(self, rows: Tensor) -> Tensor:
        if self._resident is not None:
            return self._resident[rows]
        _check_whole(self._images)
        # Images that have no room on the device are brought there batch by batch, which waits.
        return torch.from_numpy(self._images[self._indices[rows.numpy()]]).to(self._device)

    def _copy_to_device(self) -> Tensor | None:
        """The chosen images as bytes on an accelerator; None on a CPU, or where they do not fit."""
        if not is_accelerator(self._device):
            return None
        shape = (len(self._indices), *self._images.shape[1:])
        try:
            resident = torch.empty(shape, dtype=torch.uint8, device=self._device)
        except torch.OutOfMemoryError:
            return None
        for start in range(0, len(self._indices), _COPY_BLOCK):
            block = self._images[self._indices[start : start + _COPY_BLOCK]]
            resident[start : start + len(block)] = torch.from_numpy(block).to(self._device)
        return resident


def _check_whole(images: np.ndarray) -> None:
    """Refuse a mapped file that was cut short: reading beyond its end would kill the process."""
    if not isinstance(images, np.memmap) or images.filename is None:
        return
    try:
        size = os.stat(images.filename).st_size
    except OSError:  # removed; what is mapped stays
        return
    if size < images.offset + images.nbytes:
        raise RunError(
            f"The decoded images {images.filename} were cut short while they were used. "
            "Start again, or go on with --resume: they are decoded anew."
        )
