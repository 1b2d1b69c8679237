"""Trains a probe on one part of the real images and measures its errors on another part."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from adavit.data.digests import image_digest
from adavit.diagnostics.diagnosed_images import DiagnosedImages
from adavit.diagnostics.leaks.operations import Operation
from adavit.diagnostics.leaks.probe import Probe, train_probe
from adavit.diagnostics.leaks.rates import Confusion
from adavit.errors import UserError
from adavit.runtime.randomness import generator_for
from adavit.runtime.wording import counted

DRAWS = 4
"""Draws of the operation on each test image."""

CONTROL_SHARE, TEST_SHARE = 0.2, 0.3
PART_LIMIT = 1000
"""Largest control and test part; more would narrow no interval that the generated images do not widen."""

TRAINING_LIMIT = 5000
FEWEST_REAL = 20


@dataclass(frozen=True)
class Parts:
    """The real images, divided so that no probe is judged by what it was trained on.

    Attributes:
        training: To train the probes, uint8 [N, C, R, R].
        test: To measure their errors.
        control: Put in the place of the generated images.
    """

    training: Tensor
    test: Tensor
    control: Tensor


@dataclass(frozen=True)
class Calibrated:
    """A probe with its measured errors.

    Attributes:
        probe: It.
        confusion: On the test part.
    """

    probe: Probe
    confusion: Confusion


def divide(diagnosed: DiagnosedImages, seed: int) -> Parts:
    """Divides the real images; those that were never trained on become control and test first.

    With flips among the training images, half of all real images are flipped, and two that mirror each other are
    copies. Of copies one takes part: a probe is not to be judged by what it was trained on.

    Raises:
        UserError: If there are too few.
    """
    stream = generator_for(seed, "parts of real images", 0)
    order = _without_copies(
        diagnosed.real.images,
        np.concatenate(
            [
                indices[torch.randperm(len(indices), generator=stream).numpy()]
                for indices in (diagnosed.unseen, diagnosed.train)
            ]
        ),
        mirror=diagnosed.mirror,
    )
    count = len(order)
    if count < FEWEST_REAL:
        raise UserError(
            f"the data have {counted(count, 'different image', 'different images')}, expected at least"
            f" {FEWEST_REAL} to train and test a probe on. Add images, or name more with --data."
        )
    control = min(round(CONTROL_SHARE * count), PART_LIMIT)
    test = min(round(TEST_SHARE * count), PART_LIMIT)
    chosen = order[: control + test + TRAINING_LIMIT]
    images = torch.from_numpy(np.array(diagnosed.real.images[chosen]))
    if diagnosed.mirror:
        flipped = torch.rand(len(images), generator=stream) < 0.5
        images[flipped] = images[flipped].flip(-1)
    return Parts(
        training=images[control + test :],
        test=images[control : control + test],
        control=images[:control],
    )


def _without_copies(images: np.ndarray, order: np.ndarray, *, mirror: bool) -> np.ndarray:
    """Indices in their order, of equal images the first alone."""
    firsts: dict[bytes, int] = {}
    for index in order:
        firsts.setdefault(image_digest(images[index], mirror=mirror), int(index))
    return np.array(list(firsts.values()), dtype=np.int64)


def calibrate(
    operation: Operation,
    parts: Parts,
    *,
    seed: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated | None:
    """Trains a probe and measures its errors.

    Args:
        operation: What it looks for.
        parts: Real images.
        seed: Of weights, batches and draws.
        device: Where it is trained.
        progress: Called with the steps done and all of them.

    Returns:
        The probe; None where the operation changes fewer than half of the test images, as hue does
        with grey ones.
    """
    stream = generator_for(seed, f"test of the probe of {operation.name}", 0)
    draws = [operation.apply(parts.test, stream) for _ in range(DRAWS)]
    shown = torch.stack([changed for _, changed in draws]).all(0)
    if shown.float().mean() < 0.5:
        return None
    probe = train_probe(operation, parts.training, seed=seed, device=device, progress=progress)
    hits = torch.stack([probe.alarms(operated) for operated, _ in draws]).double().mean(0)
    return Calibrated(
        probe,
        Confusion(alarms=probe.alarms(parts.test)[shown].numpy(), hits=hits[shown].numpy()),
    )
