import numpy as np
import pytest
import torch

from adavit.pretraining.baseline import class_frequencies, frequency_loss, majority_accuracy


def test_frequencies_are_those_seen_with_one_more_of_each() -> None:
    classes = torch.tensor([[0, 2, 2], [2, 0, 3]])
    expected = np.array([3, 1, 4, 2, 1]) / 11
    np.testing.assert_allclose(class_frequencies(classes, 5).numpy(), expected, rtol=1e-12)


def test_loss_and_accuracy_of_not_looking() -> None:
    frequencies = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    classes = torch.tensor([0, 1, 2, 0])
    assert frequency_loss(frequencies, classes) == pytest.approx(1.5 * np.log(2))
    assert majority_accuracy(frequencies, classes) == 0.5


def test_a_class_never_seen_in_training_costs_much_but_not_everything() -> None:
    frequencies = class_frequencies(torch.zeros(6, dtype=torch.int64), 2)
    assert frequency_loss(frequencies, torch.tensor([1])) == pytest.approx(np.log(8))
    assert majority_accuracy(frequencies, torch.tensor([1])) == 0
