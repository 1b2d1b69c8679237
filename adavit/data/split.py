"""Which images train, and which are held out to see overfitting (r_v in section 3 of Karras et al. 2020)."""

from dataclasses import dataclass

import numpy as np
import torch

from adavit.errors import UserError
from adavit.runtime.randomness import generator_for

DEFAULT_HELDOUT_FRACTION = 0.05
# Fewer images than this are all needed for training, and 5% of them would measure little.
DEFAULT_HELDOUT_FROM = 500


@dataclass(frozen=True)
class Split:
    """Two disjoint parts of a set.

    Attributes:
        train: Indices of the training images, int64, ascending.
        heldout: Indices of the images that are never trained on, int64, ascending; may be empty.
    """

    train: np.ndarray
    heldout: np.ndarray


def split_images(
    count: int, *, subset: int | None, heldout_fraction: float | None, seed: int
) -> Split:
    """Choose the training images and the held-out ones.

    The held-out images come from those that `subset` leaves, so that exactly `subset` images train;
    without such a rest they are taken from the training images. A larger subset of the same seed
    contains the smaller ones, where such a rest is left of both.

    Args:
        count: Images in the set.
        subset: Number of images to train on, None for all.
        heldout_fraction: Held-out images per training image, in [0, 1): of 40 images 0.5 holds out 13
            and trains on 27. None for 0.05 where there are 500 images to train on, and 0 below. A
            fraction above 0 holds out at least one image where two are to be had.
        seed: The run's seed.

    Returns:
        The split. The rest may be smaller than the fraction asks for; then all of it is held out.

    Raises:
        UserError: If the subset is not between 1 and `count`, or the fraction is not in [0, 1).
    """
    train_count, heldout_count = split_counts(
        count, subset=subset, heldout_fraction=heldout_fraction
    )
    order = torch.randperm(count, generator=generator_for(seed, "subset", 0)).numpy()
    return Split(
        train=np.sort(order[:train_count]),
        heldout=np.sort(order[count - heldout_count :]),
    )


def split_counts(
    count: int, *, subset: int | None, heldout_fraction: float | None
) -> tuple[int, int]:
    """How many images `split_images` trains on, and how many it holds out.

    Args:
        count: As there.
        subset: Likewise.
        heldout_fraction: Likewise.

    Raises:
        UserError: Likewise.
    """
    if subset is not None and subset > count:
        raise UserError(
            f"data.subset asks for {subset} images, but the set has {count}. Lower --subset or add images."
        )
    if subset is not None and subset < 1:
        raise UserError(
            f"data.subset is {subset}, but must be at least 1. Raise --subset, or leave it out to train on all {count}."
        )
    if heldout_fraction is not None and not 0 <= heldout_fraction < 1:
        raise UserError(
            f"data.val_fraction is {heldout_fraction}, but must be at least 0 and below 1. "
            f"Use --val-fraction {DEFAULT_HELDOUT_FRACTION}, or 0 to hold nothing out."
        )
    train_count = count if subset is None else subset
    if heldout_fraction is None:
        heldout_fraction = DEFAULT_HELDOUT_FRACTION if train_count >= DEFAULT_HELDOUT_FROM else 0.0
    rest = count - train_count
    if rest == 0:  # both come from the same images: the fraction is that of the two parts
        train_count = round(count / (1 + heldout_fraction))
        if heldout_fraction > 0 and count > 1:
            train_count = min(train_count, count - 1)
        return train_count, count - train_count
    wanted = 0 if heldout_fraction == 0 else max(1, round(heldout_fraction * train_count))
    return train_count, min(wanted, rest)


def draw_evenly(labels: np.ndarray | None, total: int, wanted: int, seed: int) -> np.ndarray:
    """Some images of a set, drawn with a seed, of each class its share.

    Files are often sorted by class: the first ones by name would be those of one class.

    Args:
        labels: int64 [total] class of each image, or None.
        total: Images in the set.
        wanted: How many are drawn; all of them where there are no more.
        seed: Start of the random stream.

    Returns:
        Their indices, int64, ascending. A class of n images gives n * wanted / total of them, rounded
        up or down.
    """
    if wanted >= total:
        return np.arange(total)
    order = torch.randperm(total, generator=generator_for(seed, "drawn images", 0)).numpy()
    if labels is not None:  # by class, in random order within each
        order = order[np.argsort(labels[order], kind="stable")]
    # Every (total / wanted)-th of them, from a random start: systematic sampling.
    start = torch.rand((), generator=generator_for(seed, "drawn images", 1), dtype=torch.float64)
    positions = (np.arange(wanted) + start.item()) * total / wanted
    return np.sort(order[positions.astype(np.int64)])
