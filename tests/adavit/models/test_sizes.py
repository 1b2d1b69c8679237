"""Sizes that the networks share."""

import pytest
import torch

from adavit.models.sizes import (
    channels_at,
    check_at_least,
    check_images,
    check_labels,
    widths_of,
)
from adavit.runtime.resolution import Resolution


def test_channels_halve_with_the_resolution_below_their_bound() -> None:
    sides = (4, 8, 16, 32, 64, 100)
    found = [channels_at(side, channel_base=512, channel_max=40) for side in sides]
    assert found == [40, 40, 32, 16, 8, 5]
    with pytest.raises(ValueError, match=r"channel_base is 512, .* Use channel_base=65536 for 64"):
        channels_at(1024, channel_base=512, channel_max=40)
    with pytest.raises(ValueError, match=r"channel_max is 0, .* Use channel_max=1"):
        channels_at(8, channel_base=512, channel_max=0)


def test_widths_follow_doublings_whatever_the_shape() -> None:
    for resolution in (Resolution(32, 32), Resolution(24, 40), Resolution(48, 32)):
        found = widths_of(resolution, channel_base=512, channel_max=40)
        assert found == [40, 40, 32, 16], resolution


def test_a_size_below_its_least_is_refused() -> None:
    check_at_least("heads", 1, 1)
    with pytest.raises(ValueError, match=r"heads is 0, but must be at least 1\. Use heads=1"):
        check_at_least("heads", 0, 1)


@pytest.mark.parametrize("shape", [(2, 3, 8), (2, 1, 8, 6), (2, 3, 6, 8), (3, 8, 6)])
def test_images_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    check_images(torch.zeros(5, 3, 8, 6), size=(8, 6), image_channels=3)
    with pytest.raises(ValueError, match=r"but this network takes \[B, 3, 8, 6\]"):
        check_images(torch.zeros(shape), size=(8, 6), image_channels=3)


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        (torch.zeros(2, dtype=torch.int64), 0, "has no classes"),
        (None, 4, r"labels are None, .* 4 classes\. Pass int64 labels of shape \[2\]"),
        (torch.zeros(3, dtype=torch.int64), 4, r"shape \[3\] .* int64 of shape \[2\]"),
        (torch.zeros(2), 4, "dtype torch.float32"),
        (torch.tensor([True, False]), 4, "dtype torch.bool, but must be int64"),
        (torch.zeros(2, dtype=torch.uint8), 4, "dtype torch.uint8"),
        (torch.zeros(2, dtype=torch.complex64), 4, "dtype torch.complex64"),
        (torch.zeros(2, 4, dtype=torch.int64), 4, "not one-hot"),
    ],
)
def test_labels_are_given_where_there_are_classes(
    labels: torch.Tensor | None, classes: int, message: str
) -> None:
    check_labels(None, num_classes=0, batch=2)
    for dtype in (torch.int64, torch.int32):
        check_labels(torch.tensor([0, 3], dtype=dtype), num_classes=4, batch=2)
    with pytest.raises(ValueError, match=message):
        check_labels(labels, num_classes=classes, batch=2)
