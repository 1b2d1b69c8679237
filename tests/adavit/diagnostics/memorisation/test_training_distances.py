from typing import ClassVar

import pytest
import torch

from adavit.diagnostics.memorisation.chosen_images import ChosenImages
from adavit.diagnostics.memorisation.training_distances import (
    TrainingSet,
    distances_to_training,
    feature_space,
    leave_one_out,
    pixel_space,
    summarise,
)
from adavit.metrics import RandomFeatures
from adavit.metrics.intervals import wilson_interval
from tests.adavit.diagnostics.conftest import random_images


def chosen(images: torch.Tensor) -> ChosenImages:
    return ChosenImages.of(images.numpy())


def levels(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a.double() - b.double()).square().mean().sqrt())


@pytest.mark.parametrize("mirror", [False, True])
def test_distances_are_root_mean_squares_to_the_nearest_orientation(mirror: bool) -> None:
    training, queries = random_images(6), random_images(5, seed=1)
    queries[0] = training[2].flip(-1)
    space = pixel_space()
    found = distances_to_training(
        space.embed(chosen(queries), ""),
        TrainingSet.embed(chosen(training), space, mirror=mirror),
        space,
    )
    for row, query in enumerate(queries):
        choices = {
            (owner, flipped): levels(query, image.flip(-1) if flipped else image)
            for owner, image in enumerate(training)
            for flipped in ((False, True) if mirror else (False,))
        }
        best = min(choices, key=choices.__getitem__)
        assert (found.owners[row], found.is_mirrored[row]) == best
        assert found.values[row] == pytest.approx(choices[best], rel=1e-12)
    assert (found.values[0] == 0) == mirror


def test_leaving_one_out_leaves_out_the_flip_of_the_image_too() -> None:
    training = random_images(4)
    training[0] = torch.maximum(training[0], training[0].flip(-1))  # equal to its flip
    space = pixel_space()
    vectors = TrainingSet.embed(chosen(training), space, mirror=True)
    found = leave_one_out(vectors, torch.tensor([0, 2]), space)
    assert found.values.min() > 0
    assert found.owners[0] != 0
    assert found.owners[1] != 2


def test_rgba_is_compared_on_black() -> None:
    images = random_images(2, channels=4)
    images[:, 3] = 0
    vectors = pixel_space().embed(chosen(images), "")
    assert vectors.shape == (2, 3 * 16 * 16)
    assert not vectors[:].any()


def test_the_summary_counts_what_is_below_the_threshold() -> None:
    training = TrainingSet(torch.zeros(2, 1), torch.arange(2), torch.zeros(2, dtype=torch.bool))
    found = distances_to_training(
        torch.tensor([[1.0], [2.0], [4.0], [8.0]]), training, pixel_space()
    )
    summary = summarise(found, 2.0)
    assert (summary["images"], summary["closer"], summary["share_closer"]) == (4, 1, 0.25)
    assert summary["median"] == 3
    assert summary["share_interval"] == [round(end, 6) for end in wilson_interval(1, 4, z=1.959964)]


class Read(ChosenImages):
    """Notes how many images are read at a time."""

    counts: ClassVar[list[int]] = []

    def __getitem__(self, rows: slice | torch.Tensor) -> torch.Tensor:
        found = super().__getitem__(rows)
        self.counts.append(len(found))
        return found


def test_of_large_images_fewer_are_read_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adavit.metrics.extractors.extractor.PIXELS", 5 * 16 * 16)
    space = feature_space(RandomFeatures(), lambda *_: None)
    assert space.embed(Read.of(random_images(12).numpy()), "").shape == (12, 256)
    assert Read.counts == [5, 5, 2]
