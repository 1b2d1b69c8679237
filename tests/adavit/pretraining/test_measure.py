from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from adavit.data import Split, images_to_float
from adavit.data.image_set import ImageSet
from adavit.models.masked_patches.corruption import draw_corruption
from adavit.models.masked_patches.prediction import head_for, masked_patch_loss, predict_corrupted
from adavit.models.masked_patches.targets import mean_colour_classes
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.pretraining.measure import (
    Measurement,
    class_frequencies,
    figure_line,
    frequency_loss,
    majority_accuracy,
)
from adavit.runtime.patch import Patch
from adavit.runtime.randomness import generator_for
from adavit.training.start.workload import Workload

TRAIN, HELDOUT = np.arange(2, 9), np.array([0, 1, 9, 10, 11])


@pytest.fixture
def workload() -> Any:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 3, 1, 1)) * np.ones((1, 1, 16, 16), np.int64)
    images[3:, :, :8] = 250  # white is the most frequent colour of training images
    workload = SimpleNamespace(
        image_set=ImageSet("drawn", images.astype(np.uint8), None, (), "", (), "drawn", ()),
        split=Split(train=TRAIN, heldout=HELDOUT),
        device=torch.device("cpu"),
        config=SimpleNamespace(run=SimpleNamespace(seed=3)),
    )
    workload.some_of = partial(Workload.some_of, workload)
    return workload


def test_held_out_images_are_measured_against_frequencies_of_training_images(
    workload: Any, discriminator: Callable[..., ViTDiscriminator]
) -> None:
    encoder = discriminator().encoder
    head = head_for(encoder)
    measurement = Measurement(workload, patch=Patch(4, 4), batch=5, autocast=None)
    figures = measurement(encoder, head)
    images = images_to_float(torch.from_numpy(workload.image_set.images))
    frequencies = class_frequencies(mean_colour_classes(images[TRAIN], Patch(4, 4)), 512)
    corruption = draw_corruption(5, 16, generator_for(3, "measured corruption", 0))
    prediction = predict_corrupted(encoder, head, images[HELDOUT], corruption)
    hits = prediction.logits.argmax(dim=1) == prediction.classes
    assert figures == {
        "loss": pytest.approx(float(masked_patch_loss(prediction).detach())),
        "accuracy": pytest.approx(float(hits.double().mean())),
        "frequency_loss": pytest.approx(frequency_loss(frequencies, prediction.classes)),
        "majority_accuracy": pytest.approx(majority_accuracy(frequencies, prediction.classes)),
        "measured_on": "held-out",
    }
    assert int(frequencies.argmax()) == 511
    assert 0.1 < figures["majority_accuracy"] < 0.9
    assert measurement(encoder, head) == figures


def test_uneven_parts_weigh_by_their_images(
    workload: Any, discriminator: Callable[..., ViTDiscriminator]
) -> None:
    encoder = discriminator().encoder
    head = head_for(encoder)
    with torch.no_grad():  # always the same answer, so that it does not matter what is hidden
        head.classes.weight.zero_()
        head.classes.bias.copy_(torch.linspace(0, 5, 512))
    workload.image_set.images[HELDOUT[:4]] = 250
    workload.image_set.images[HELDOUT[4]] = 0
    figures = Measurement(workload, patch=Patch(4, 4), batch=3, autocast=None)(encoder, head)
    assert figures["accuracy"] == pytest.approx(0.8)
    likelihood = torch.linspace(0, 5, 512).log_softmax(dim=0)
    expected = -0.8 * float(likelihood[511]) - 0.2 * float(likelihood[0])
    assert figures["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_line_tells_the_figures_and_what_they_must_beat() -> None:
    record = {
        "measured_on": "held-out",
        "accuracy": 0.25,
        "majority_accuracy": 0.03,
        "loss": 3.5,
        "frequency_loss": 5.25,
    }
    assert figure_line(record) == (
        "held-out accuracy 0.250 (always the commonest colour: 0.030), loss 3.500 (colours by their"
        " frequency: 5.250)"
    )


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


@pytest.mark.parametrize("part", ["train", "heldout"])
def test_of_large_sets_each_class_is_measured(
    workload: Any,
    discriminator: Callable[..., ViTDiscriminator],
    monkeypatch: pytest.MonkeyPatch,
    part: str,
) -> None:
    monkeypatch.setattr("adavit.pretraining.measure.IMAGES", 4)
    images = np.zeros((8, 3, 16, 16), np.uint8)
    images[4:] = 255  # sorted by class, as files in folders are
    labels = np.arange(8) // 4
    workload.image_set = replace(workload.image_set, images=images, labels=labels)
    nobody = np.arange(0)
    workload.split = Split(
        train=np.arange(8), heldout=np.arange(8) if part == "heldout" else nobody
    )
    measurement = Measurement(workload, patch=Patch(4, 4), batch=5, autocast=None)
    black, white = measurement.frequencies[[0, 511]]
    assert black == white > 0.05
    encoder = discriminator().encoder
    figures = measurement(encoder, head_for(encoder))
    assert figures["majority_accuracy"] == 0.5
