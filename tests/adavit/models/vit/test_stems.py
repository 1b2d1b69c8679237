import pytest
import torch
import torch.nn.functional as F

from adavit.models.vit.parts import STEMS
from adavit.models.vit.stems import (
    LinearStem,
    OverlappingStem,
    ResidualStage,
    ShiftedPatchStem,
    stage_channels,
    stage_strides,
)
from adavit.runtime.patch import Patch

SQUARE = [
    (stem, *case) for stem in STEMS for case in [(5, 7, (4, 4)), (6, 4, (2, 2)), (4, 5, (8, 8))]
]
OBLONG = [
    (stem, *case)
    for stem in ("linear", "overlap", "spt")
    for case in [(5, 7, (3, 5)), (6, 4, (4, 2)), (2, 9, (7, 3))]
]


@pytest.mark.parametrize(("stem", "rows", "columns", "sides"), SQUARE + OBLONG)
def test_there_is_a_token_for_each_patch_row_by_row(
    stem: str, rows: int, columns: int, sides: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    embed = STEMS[stem](image_channels=2, patch=Patch(*sides), width=10)
    high, wide = sides
    images = torch.randn(3, 2, rows * high, columns * wide)
    tokens = embed(images)
    assert tokens.shape == (3, rows * columns, 10)
    reach = {"linear": 0, "overlap": 1, "conv": 1, "spt": 1, "hybrid": 2}[stem]
    for row, column in ((0, 1), (rows - 1, columns - 1), (1, 0)):
        moved = images.clone()
        top, left = row * high, column * wide
        moved[1, :, top : top + high, left : left + wide] += 1 + torch.rand(2, high, wide)
        change = (embed(moved) - tokens).norm(dim=2)
        assert change[[0, 2]].max() == 0
        change = change[1].view(rows, columns)
        assert change[row, column] > 0.1
        near = torch.zeros(rows, columns, dtype=torch.bool)
        near[max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1] = (
            True
        )
        assert change[~near].max() < 1e-5


def test_patches_become_tokens_by_a_dense_layer() -> None:
    embed = LinearStem(image_channels=2, patch=Patch(4, 4), width=5)
    images = torch.randn(3, 2, 8, 8)
    patch = images[1, :, 0:4, 4:8].reshape(-1)
    expected = F.linear(patch, embed.projection.weight, embed.projection.bias)
    torch.testing.assert_close(embed(images)[1, 1], expected)


@pytest.mark.parametrize(("high", "wide"), [(1, 1), (2, 2), (3, 3), (4, 4), (3, 5), (6, 1)])
def test_overlapping_patches_have_twice_the_sides_and_zeros_outside(high: int, wide: int) -> None:
    embed = OverlappingStem(image_channels=2, patch=Patch(high, wide), width=5)
    images = torch.randn(1, 2, 3 * high, 2 * wide)
    tokens = embed(images)
    assert tokens.shape == (1, 6, 5)
    padded = F.pad(images, (wide // 2, 2 * wide, high // 2, 2 * high))
    for row in range(3):
        for column in range(2):
            top, left = row * high, column * wide
            window = padded[0, :, top : top + 2 * high, left : left + 2 * wide].reshape(-1)
            expected = F.linear(window, embed.projection.weight.flatten(1), embed.projection.bias)
            torch.testing.assert_close(tokens[0, 2 * row + column], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("high", "wide"), [(4, 4), (3, 5), (6, 2)])
def test_shifted_patches_are_those_of_four_moved_copies(high: int, wide: int) -> None:
    embed = ShiftedPatchStem(image_channels=1, patch=Patch(high, wide), width=6)
    torch.nn.init.normal_(embed.norm.weight)
    images = torch.randn(1, 1, 2 * high, 3 * wide)
    down, right = high // 2, wide // 2
    margin = F.pad(images, (right, right, down, down))[0, 0]
    row, column = 1, 2
    pieces = [images[0, 0, high:, 2 * wide :]]
    for rows, columns in ((down, right), (-down, right), (down, -right), (-down, -right)):
        top, left = high * row - rows + down, wide * column - columns + right  # moved so far
        pieces.append(margin[top : top + high, left : left + wide])
    values = torch.cat([piece.reshape(-1) for piece in pieces])
    values = (values - values.mean()) / (values.var(unbiased=False) + 0.01).sqrt()
    expected = F.linear(values * embed.norm.weight, embed.projection.weight, embed.projection.bias)
    torch.testing.assert_close(embed(images)[0, 3 * row + column], expected, rtol=1e-4, atol=1e-5)


def test_a_flat_patch_has_a_bounded_gradient_in_the_shifted_stem() -> None:
    torch.manual_seed(0)
    embed = ShiftedPatchStem(image_channels=1, patch=Patch(4, 4), width=6)
    jacobians = []
    for images in (torch.full((1, 1, 4, 4), 0.5), torch.rand(1, 1, 4, 4) * 2 - 1):
        jacobian = torch.autograd.functional.jacobian(embed, images)
        jacobians.append(jacobian.norm())
    assert jacobians[0] < 10 * jacobians[1]


def test_channels_double_and_end_at_the_width() -> None:
    assert stage_channels(4, width=384) == [48, 96, 192, 384]
    assert stage_channels(1, width=10) == [10]
    assert stage_channels(3, width=2) == [1, 1, 2]


@pytest.mark.parametrize(
    ("sides", "strides"),
    [
        ((4, 4), [(2, 2), (2, 2)]),
        ((2, 8), [(2, 2), (1, 2), (1, 2)]),
        ((8, 4), [(2, 2), (2, 2), (2, 1)]),
    ],
)
def test_both_sides_halve_and_then_the_longer_one(
    sides: tuple[int, int], strides: list[tuple[int, int]]
) -> None:
    assert stage_strides(Patch(*sides)) == strides


@pytest.mark.parametrize(
    ("sides", "strides"),
    [((4, 4), [(2, 2), (2, 2)]), ((2, 4), [(2, 2), (1, 2)]), ((4, 2), [(2, 2), (2, 1)])],
)
def test_early_convolutions_halve_the_sides_and_end_linearly(
    sides: tuple[int, int], strides: list[tuple[int, int]]
) -> None:
    torch.manual_seed(0)
    embed = STEMS["conv"](image_channels=2, patch=Patch(*sides), width=6)
    weights = dict(embed.named_parameters())
    for name in ("stages.0", "stages.2", "projection"):
        torch.nn.init.normal_(weights[f"{name}.bias"])
    features = images = torch.randn(2, 2, 8, 12)
    for name, (down, right) in zip(("stages.0", "stages.2"), strides, strict=True):
        padded = F.pad(features, (1, 1, 1, 1))
        windows = F.unfold(padded, 3, stride=(down, right))  # [2, 9 C, N]
        values = weights[f"{name}.weight"].flatten(1) @ windows + weights[f"{name}.bias"][:, None]
        values = values.maximum(0.2 * values)
        features = values.unflatten(2, (features.shape[2] // down, features.shape[3] // right))
    expected = torch.einsum("oc,bcrs->brso", weights["projection.weight"][:, :, 0, 0], features)
    expected = (expected + weights["projection.bias"]).flatten(1, 2)
    torch.testing.assert_close(embed(images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("stride", [(2, 2), (1, 2), (2, 1)])
def test_a_stage_without_convolutions_in_its_branch_is_the_scaled_skip(
    stride: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    stage = ResidualStage(3, 4, stride=stride)
    features = torch.randn(2, 3, 6, 4)
    torch.nn.init.zeros_(stage.second.weight)
    means = features.unflatten(3, (-1, stride[1])).unflatten(2, (-1, stride[0])).mean(dim=(3, 5))
    skip = torch.einsum("oc,bcrs->bors", stage.skip.weight[:, :, 0, 0], means)
    torch.testing.assert_close(stage(features), skip / 2**0.5, rtol=1e-5, atol=1e-6)
    # Each 3x3 convolution sees activated features: a negative constant arrives at a fifth.
    torch.nn.init.zeros_(stage.skip.weight)
    torch.nn.init.dirac_(stage.first.weight)
    torch.nn.init.dirac_(stage.second.weight)
    result = stage(torch.full((1, 3, 4, 4), -25.0))
    torch.testing.assert_close(result[0, :3], torch.full_like(result[0, :3], -1 / 2**0.5))
    assert result.shape[2:] == (4 // stride[0], 4 // stride[1])
    assert result[0, 3].abs().max() == 0


@pytest.mark.parametrize("stem", ["conv", "hybrid"])
def test_convolutional_stems_keep_the_variance(stem: str) -> None:
    torch.manual_seed(0)
    embed = STEMS[stem](image_channels=3, patch=Patch(8, 8), width=256)
    spread = embed(torch.randn(2, 3, 64, 64)).std().item()
    assert 0.3 < spread < 2
