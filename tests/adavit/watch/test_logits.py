"""Logits of training, held-out and generated images."""

import math

import pytest
import torch
from torch import nn

from adavit.features.heads import PatchHead
from adavit.watch.logits import LogitFigures, images_compared, logits_of, windows
from tests.networks import make_resnet, make_vit


@pytest.mark.parametrize("group", [1, 4, 8, 128])
def test_every_image_is_judged_once_in_a_group_of_different_ones(group: int) -> None:
    for count in [*range(group, 71), 128, 200, 300]:
        judged = []
        whole = windows(count, group) if count >= group else []
        for window in whole:
            places = list(range(count))[window.images]
            assert len(places) == len(range(count)[whole[0].images])
            for first in range(len(places) // group):  # the groups of `minibatch_std`
                assert len(set(places[first :: len(places) // group])) == group
            judged += places[window.new]
        assert judged == list(range(count if whole else 0)), count


@pytest.mark.parametrize("group", [0, 4, 8])
@pytest.mark.parametrize("count", [1, 4, 5, 8, 16, 31, 63, 64, 67, 70])
def test_logits_are_those_of_groups_of_different_images(count: int, group: int) -> None:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    network = make_resnet(**sizes, minibatch_std_group=group).eval()
    images = torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    if count < group:
        with pytest.raises(
            AssertionError, match=f"{count} images are fewer than a group of {group}"
        ):
            logits_of(network, images, None)
        return
    at_once = min(count, 64) // max(1, group) * max(1, group)
    with torch.no_grad():
        first, last = network(images[:at_once]), network(images[-at_once:])
    expected = torch.cat([first, last[2 * at_once - count :]])
    torch.testing.assert_close(logits_of(network, images, None), expected)


def test_labels_go_with_their_images() -> None:
    torch.manual_seed(0)
    sizes = {"resolution": 8, "channel_base": 64, "channel_max": 8, "num_classes": 3}
    network = make_resnet(**sizes, minibatch_std_group=0).eval()
    images, labels = torch.randn(67, 3, 8, 8), torch.arange(67) % 3
    expected = network(images, labels).detach()
    torch.testing.assert_close(logits_of(network, images, labels), expected)
    assert not torch.allclose(expected, network(images, labels * 0))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_network_tells_how_many_images_it_compares(wrapped: bool) -> None:
    head = PatchHead(5, 7, width=6, normalization="none", minibatch_std_group=2, num_classes=0)
    sizes = {"resolution": 8, "channel_base": 64, "channel_max": 8}
    for network, images in (
        (make_resnet(**sizes, minibatch_std_group=4), 4),
        (make_resnet(**sizes, minibatch_std_group=0), 1),
        (make_vit(resolution=8, minibatch_std_group=8), 8),
        (head, 2),
    ):
        assert images_compared(nn.ModuleList([network]) if wrapped else network) == images


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


def test_r_v_is_undefined_where_training_images_lie_no_higher_than_generated_ones() -> None:
    sides = {"heldout": torch.zeros(3), "generated": torch.ones(3)}
    for training, expected in ((0.5, None), (1.0, None), (1.5, 3.0)):
        figures = LogitFigures({"training": torch.full((3,), training), **sides})
        assert figures.as_record()["r_v"] == expected


def test_where_0_is_not_a_threshold_a_shift_changes_moments_alone() -> None:
    sides = {"training": torch.tensor([3.0, 1.0]), "generated": torch.tensor([-2.0, 2.0])}
    records = [
        LogitFigures(
            {kind: logits + shift for kind, logits in sides.items()}, threshold_at_zero=False
        ).as_record()
        for shift in (0.0, 5.0)
    ]
    for kind in sides:
        for record in records:
            assert "share_above_0" not in record[kind]
        assert records[0][kind].get("auc") == records[1][kind].get("auc")
    with_threshold = LogitFigures(sides).as_record()
    assert with_threshold.keys() - records[0].keys() == {"r_t", "accuracy"}
    for key in ("r_relative", "separation"):
        assert records[0][key] == records[1][key] == with_threshold[key]


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
