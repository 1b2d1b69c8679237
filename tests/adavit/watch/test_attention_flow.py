"""Distances and rollout at attention whose answer is known: uniform, identity, one-hot."""

import math

import pytest
import torch

from adavit.models.vit.layout import TokenLayout
from adavit.models.vit.parts import READOUTS
from adavit.runtime.patch import Patch
from adavit.watch.attention_flow import (
    attention_between_all_tokens,
    attention_distance,
    effective_share,
    line_places,
    patch_distances,
    rollout_maps,
    rollout_step,
)
from tests.adavit.watch.attention import FULL, LAYOUTS, PLAIN, identity, one_hot, random, uniform


def test_distances_are_those_of_the_centres_in_pixels() -> None:
    found = patch_distances(PLAIN, patch=Patch(4, 4))
    assert found[0, 1] == 4.0
    assert found[0, 5] == 4.0
    assert found[0, 14] == 4 * math.hypot(2, 4)
    torch.testing.assert_close(found, found.T)
    found = patch_distances(PLAIN, patch=Patch(3, 5))
    assert (found[0, 1], found[0, 5]) == (5.0, 3.0)
    assert found[0, 14] == math.hypot(3 * 2, 5 * 4)


@LAYOUTS
def test_distance_of_identity_is_zero_and_of_uniform_attention_the_mean_of_all_pairs(
    layout: TokenLayout,
) -> None:
    none = attention_distance(identity(layout), layout, patch=Patch(4, 4))
    torch.testing.assert_close(none, torch.zeros(2, 4, dtype=torch.float64))
    mean = patch_distances(
        layout, patch=Patch(4, 4)
    ).mean()  # other tokens are left out, the rest rescaled
    torch.testing.assert_close(
        attention_distance(uniform(layout), layout, patch=Patch(4, 4)), mean.expand(2, 4)
    )


def test_distance_of_uniform_attention_on_8_x_8_patches_of_4_px() -> None:
    layout = TokenLayout(8, 8, class_tokens=1)
    weights = torch.full((1, 1, 65, 65), 1 / 65)
    assert attention_distance(weights, layout, patch=Patch(4, 4)).item() == pytest.approx(
        16.55, abs=0.005
    )


@LAYOUTS
def test_distance_of_one_hot_attention_is_that_to_the_patch(layout: TokenLayout) -> None:
    found = attention_distance(one_hot(layout, layout.class_tokens + 7), layout, patch=Patch(2, 2))
    torch.testing.assert_close(
        found, patch_distances(layout, patch=Patch(2, 2))[7].mean().expand(2, 4)
    )


def test_distance_is_undefined_where_all_attention_goes_to_other_tokens() -> None:
    for key in (0, FULL.count - 1):
        assert attention_distance(one_hot(FULL, key), FULL, patch=Patch(4, 4)).isnan().all()
    weights = one_hot(FULL, 0)
    weights[:, :, 1] = 0
    weights[:, :, 1, 2] = 1  # one patch looks at its right neighbour: the mean is over that one
    assert (attention_distance(weights, FULL, patch=Patch(4, 4)) == 4.0).all()


@LAYOUTS
def test_rollout_is_the_product_of_the_matrices_and_its_rows_sum_to_1(layout: TokenLayout) -> None:
    layers = [random(layout, seed) for seed in range(3)]
    flow = None
    for weights in layers:
        flow = rollout_step(flow, weights)
    assert flow is not None
    for image in range(2):
        product = torch.eye(layout.count, dtype=torch.float64)
        for weights in layers:
            mean = sum(weights[image, head] for head in range(4)) / 4
            product = (0.5 * mean + 0.5 * torch.eye(layout.count)) @ product
        torch.testing.assert_close(flow[image], product)
    torch.testing.assert_close(flow.sum(2), torch.ones(2, layout.count, dtype=torch.float64))


def test_rollout_of_identity_stays_and_of_uniform_attention_halves_what_stays() -> None:
    flow = rollout_step(rollout_step(None, identity(FULL)), identity(FULL))
    torch.testing.assert_close(flow, torch.eye(FULL.count, dtype=torch.float64).expand(2, -1, -1))
    flow = rollout_step(rollout_step(None, uniform(FULL)), uniform(FULL))
    # ((J / T + I) / 2)^2 = (3 J / T + I) / 4, with J all ones.
    expected = (3 / FULL.count + torch.eye(FULL.count, dtype=torch.float64)) / 4
    torch.testing.assert_close(flow, expected.expand(2, -1, -1))


def test_rollout_of_a_last_block_without_registers_drops_their_rows_only() -> None:
    first, last = random(FULL, 0), random(FULL, 1)
    whole = rollout_step(rollout_step(None, first), last)
    short = rollout_step(rollout_step(None, first), last[:, :, :-2])
    torch.testing.assert_close(short, whole[:, :-2])


@pytest.mark.parametrize("readout", READOUTS)
def test_maps_are_what_the_readout_reads(readout: str) -> None:
    part = READOUTS[readout]()
    layout = FULL if part.class_tokens else TokenLayout(3, 5, 0, 2)
    first = layout.class_tokens
    flow = random(layout)[:, 0]
    expected = {
        "cls": flow[:, 0],
        "gap": flow[:, first : first + 15].mean(1),
        "tokens": flow[:, first : first + 15].mean(1),
        "cls+gap": (flow[:, 0] + flow[:, 1:16].mean(1)) / 2,
    }[readout][:, first : first + 15]
    torch.testing.assert_close(rollout_maps(flow, layout, part), expected.reshape(2, 3, 5))


def test_maps_of_identity_and_of_one_hot_attention() -> None:
    flow = rollout_step(None, identity(FULL))
    assert (rollout_maps(flow, FULL, READOUTS["cls"]()) == 0).all()  # all from the class token
    plain = rollout_maps(rollout_step(None, identity(PLAIN)), PLAIN, READOUTS["gap"]())
    torch.testing.assert_close(plain, torch.full((2, 3, 5), 1 / 15, dtype=torch.float64))
    pointed = rollout_maps(rollout_step(None, one_hot(FULL, 1 + 7)), FULL, READOUTS["cls"]())
    expected = torch.zeros(2, 3, 5, dtype=torch.float64)
    expected[:, 1, 2] = 0.5  # the other half stays with the class token
    torch.testing.assert_close(pointed, expected)


def test_effective_share_of_flat_and_pointed_maps() -> None:
    maps = torch.zeros(3, 2, 4)
    maps[0], maps[1, 1, 2] = 0.3, 0.5
    shares = effective_share(maps)
    assert shares[:2].tolist() == pytest.approx([1.0, 1 / 8])
    assert shares[2].isnan()


@pytest.mark.parametrize("direction", ["rows", "columns"])
def test_whole_attention_of_uniform_lines(direction: str) -> None:
    lines = line_places(direction, FULL)
    count, length = lines.shape
    weights = torch.full((2, count, 4, length, length), 1 / length, dtype=torch.float64)
    whole = attention_between_all_tokens(weights, direction, FULL)
    torch.testing.assert_close(whole.sum(-1), torch.ones(2, 4, FULL.count, dtype=torch.float64))
    # A patch sees its line evenly; the class token each patch 1 / lines as much.
    assert torch.count_nonzero(whole[0, 0, 1 + 7]) == length
    torch.testing.assert_close(
        whole[0, 0, 0, 1:16], torch.full((15,), 1 / length / count, dtype=torch.float64)
    )
    assert whole[0, 0, 0, 0].item() == pytest.approx(1 / length)
