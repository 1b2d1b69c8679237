"""Logits of training, held-out and generated images."""

import math

import pytest
import torch

from adavit.watch.logits import LogitFigures, logits_of
from tests.networks import make_resnet


@pytest.mark.parametrize("count", [1, 63, 64, 67])
def test_logits_are_those_of_full_groups(count: int) -> None:
    torch.manual_seed(0)
    network = make_resnet(
        resolution=8, channel_base=64, channel_max=8, minibatch_std_group=4
    ).eval()
    images = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    filled = torch.cat([images] * 128)[:128]
    with torch.no_grad():
        expected = torch.cat([network(filled[:64]), network(filled[64:])])[:count]
    torch.testing.assert_close(logits_of(network, images, None), expected)


def test_figures_of_logits() -> None:
    figures = LogitFigures(
        {
            "training": torch.tensor([3.0, 1.0, 2.0, 2.0]),
            "heldout": torch.tensor([1.0, -1.0]),
            "generated": torch.tensor([-2.0, -2.0]),
        }
    )
    record = figures.as_record()
    assert record["training"]["mean"] == 2.0
    assert record["heldout"]["share_above_0"] == 0.5
    assert record["r_v"] == pytest.approx((2 - 0) / (2 + 2))
    assert (record["r_t"], record["r_relative"]) == (1.0, 1.0)
    assert sum(record["generated"]["histogram"]) == pytest.approx(1.0)
    assert len(record["histogram_edges"]) == len(record["training"]["histogram"]) + 1
    assert (record["training"]["auc"], record["heldout"]["auc"]) == (1.0, 1.0)
    assert record["accuracy"] == 1.0
    # Variances 0.5 and 0: their root mean is 0.5.
    assert record["separation"] == pytest.approx((2 + 2) / 0.5)
    # Variances of the means: (2 / 3) / 4 and 2 / 2.
    expected = 2 / math.sqrt(1 / 6 + 1)
    assert figures.heldout_gap_in_standard_errors == pytest.approx(expected)


def test_figures_without_training_images_are_undefined_not_zero() -> None:
    figures = LogitFigures({"heldout": torch.ones(3), "generated": torch.zeros(3)})
    record = figures.as_record()
    assert (record["r_t"], record["r_v"], record["r_relative"]) == (None, None, None)
    assert math.isnan(figures.heldout_gap_in_standard_errors)
    assert (record["heldout"]["auc"], record["accuracy"]) == (1.0, 0.5)


def test_the_auc_counts_pairs_and_ties_half() -> None:
    stream = torch.Generator().manual_seed(3)
    real, generated = (
        torch.randint(shift, shift + 9, (count,), generator=stream).float()
        for shift, count in ((2, 41), (0, 29))
    )
    differences = real[:, None] - generated
    expected = ((differences > 0).double() + (differences == 0).double() / 2).mean()
    figures = LogitFigures({"training": real, "generated": generated})
    assert 0.5 < figures.auc("training") < 1
    assert figures.auc("training") == pytest.approx(float(expected), abs=1e-12)
    assert figures.values["r_relative"] == pytest.approx(2 * figures.auc("training") - 1)
    right = ((real > 0).double().mean() + (generated < 0).double().mean()) / 2
    assert figures.accuracy == pytest.approx(float(right))
