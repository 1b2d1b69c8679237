"""What can be said of patches without looking: the figures that a prediction has to beat."""

import torch
from torch import Tensor


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
        frequencies: From `class_frequencies`.
        classes: What is right, int64, at least one.
    """
    return float(-frequencies.log()[classes.flatten()].mean())


def majority_accuracy(frequencies: Tensor, classes: Tensor) -> float:
    """Accuracy of always predicting the most frequent class of training, in [0, 1].

    Args:
        frequencies: From `class_frequencies`.
        classes: What is right, int64, at least one.
    """
    return float((classes.flatten() == frequencies.argmax()).double().mean())
