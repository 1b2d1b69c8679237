"""How well corrupted patches are predicted, and the baselines: the same figures from class frequencies alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.data import images_to_float
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import (
    MaskedPatchHead,
    masked_patch_accuracy,
    masked_patch_loss,
    predict_corrupted,
)
from adavit.models.masked_patches.targets import class_count, mean_colour_classes
from adavit.models.vit.encoder import VisionEncoder
from adavit.runtime.patch import Patch
from adavit.runtime.precision import forward_precision
from adavit.runtime.randomness import generator_for
from adavit.training.start.workload import Workload

IMAGES = 5000
"""At most so many images of a part are looked at, of each class its share: with 64 patches each, frequencies to a
thousandth."""


class Measurement:
    """Measures on the held-out images, or on training images where none are held out.

    What is corrupted is drawn once for all times, so that the figures can be compared.

    Args:
        workload: Its data and its seed.
        patch: Of the encoder.
        batch: Images at a time.
        autocast: Type of the networks' arithmetic, or None for float32.
    """

    def __init__(
        self, workload: Workload, *, patch: Patch, batch: int, autocast: torch.dtype | None
    ) -> None:
        split = workload.split
        self.measured_on = "held-out" if len(split.heldout) else "training"
        self._workload = workload
        self._batch = batch
        self._autocast = autocast
        measured = split.heldout if len(split.heldout) else split.train
        self._indices = workload.some_of(measured, IMAGES)
        channels = workload.image_set.channels
        trained_on = workload.some_of(split.train, IMAGES)
        seen = [mean_colour_classes(part, patch) for part in self._parts(trained_on)]
        self.frequencies = class_frequencies(torch.cat(seen).cpu(), class_count(channels))

    @torch.no_grad()
    def __call__(self, encoder: VisionEncoder, head: MaskedPatchHead) -> dict[str, Any]:
        """The figures.

        Returns:
            `loss` (nats) and `accuracy` of the prediction, `frequency_loss` and `majority_accuracy` of
            the same patches predicted from the training images' class frequencies alone, and
            `measured_on`: "held-out" or "training".
        """
        device = self._workload.device
        stream = generator_for(self._workload.config.run.seed, "measured corruption", 0, device)
        loss, accuracy, classes = 0.0, 0.0, []
        for images in self._parts(self._indices):
            corruption = draw_corruption(len(images), encoder.layout.patches, stream)
            with forward_precision(device, self._autocast):
                prediction = predict_corrupted(encoder, head, images, corruption)
            share = len(images) / len(self._indices)  # as many patches are hidden in every image
            loss += share * float(masked_patch_loss(prediction))
            accuracy += share * float(masked_patch_accuracy(prediction))
            classes.append(prediction.classes.cpu())
        hidden = torch.cat(classes)
        return {
            "loss": loss,
            "accuracy": accuracy,
            "frequency_loss": frequency_loss(self.frequencies, hidden),
            "majority_accuracy": majority_accuracy(self.frequencies, hidden),
            "measured_on": self.measured_on,
        }

    def _parts(self, indices: np.ndarray) -> Iterator[Tensor]:
        images = self._workload.image_set.images
        for start in range(0, len(indices), self._batch):
            part = torch.from_numpy(images[indices[start : start + self._batch]])
            yield images_to_float(part.to(self._workload.device))


def figure_line(record: dict[str, Any]) -> str:
    """A measurement in one line, with what it must beat."""
    return (
        f"{record['measured_on']} accuracy {record['accuracy']:.3f} (always the commonest colour:"
        f" {record['majority_accuracy']:.3f}), loss {record['loss']:.3f} (colours by their"
        f" frequency: {record['frequency_loss']:.3f})"
    )


def class_frequencies(classes: Tensor, count: int) -> Tensor:
    """How often each class occurs, by Laplace's rule: one more than was seen, so that none is impossible.

    Args:
        classes: Classes of training patches, int64 in [0, count), any shape.
        count: Number K of classes.

    Returns:
        Frequencies [K], float64, > 0, that sum to 1.
    """
    seen = torch.bincount(classes.flatten(), minlength=count).double() + 1
    return seen / seen.sum()


def frequency_loss(frequencies: Tensor, classes: Tensor) -> float:
    """Cross-entropy of always predicting the frequencies of training, in nats.

    Args:
        frequencies: From `class_frequencies` [K].
        classes: What is right, int64 of any shape, at least one.
    """
    return float(-frequencies.log()[classes.flatten()].mean())


def majority_accuracy(frequencies: Tensor, classes: Tensor) -> float:
    """Accuracy of always predicting the most frequent class of training, in [0, 1].

    Args:
        frequencies: From `class_frequencies`.
        classes: What is right, int64, at least one.
    """
    return float((classes.flatten() == frequencies.argmax()).double().mean())
