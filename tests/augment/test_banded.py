import math

import numpy as np
import pytest
import torch

from adavit.augment.banded import (
    BLOCK,
    MARGIN,
    downsampling_matrix,
    multiply_columns,
    multiply_rows,
    reflect,
    split_downsampling,
    split_upsampling,
    supersampled_length,
    upsampled_length,
    upsampling_matrix,
)
from adavit.augment.wavelets import SYM6, SYM6_PEAK
from tests.augment.helpers import random_images
from tests.references import augment_reference as reference

CPU = torch.device("cpu")
SIZES = [1, 2, 5, 11, 12, BLOCK, BLOCK + 1, 45, 2 * BLOCK, 100]


def upsampling(size: int) -> torch.Tensor:
    return upsampling_matrix(size, device=CPU, dtype=torch.float64)


def downsampling(size: int) -> torch.Tensor:
    return downsampling_matrix(size, device=CPU, dtype=torch.float64)


@pytest.mark.parametrize("size", [1, 2, 5])
def test_reflection_equals_reflection_step_by_step(size: int) -> None:
    positions = torch.arange(-13, 17)
    expected = [reference.reflected_index(int(position), size) for position in positions]
    assert reflect(positions, size).tolist() == expected


@pytest.mark.parametrize("size", SIZES)
def test_upsampling_is_reflection_zeros_between_and_convolution(size: int) -> None:
    pad = 20
    lines = np.eye(size)[:, [reference.reflected_index(i, size) for i in range(-pad, size + pad)]]
    spread = np.zeros((size, 2 * lines.shape[1]))
    spread[:, ::2] = lines
    filtered = np.stack([np.convolve(line, SYM6) for line in spread]) * math.sqrt(2)
    first = 2 * pad + SYM6_PEAK - MARGIN  # where the line begins
    expected = filtered[:, first : first + upsampled_length(size)].T
    np.testing.assert_allclose(upsampling(size), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_downsampling_is_correlation_at_every_second_sample(size: int) -> None:
    line = random_images(supersampled_length(size))
    expected = np.correlate(line.numpy(), np.array(SYM6), mode="valid")[::2] / math.sqrt(2)
    np.testing.assert_allclose(downsampling(size) @ line, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_rows_sum_to_one_and_both_stages_in_turn_are_the_identity(size: int) -> None:
    up, down = upsampling(size), downsampling(size)
    for matrix in (up, down):
        torch.testing.assert_close(matrix.sum(1), torch.ones(len(matrix), dtype=torch.float64))
    supersampled = up[MARGIN - SYM6_PEAK :][: supersampled_length(size)]
    expected = torch.eye(size, dtype=torch.float64)
    # The published taps are good to 1e-12.
    torch.testing.assert_close(down @ supersampled, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("split", [split_upsampling, split_downsampling])
@pytest.mark.parametrize("size", SIZES)
def test_blocks_multiply_as_the_whole_matrix_and_its_transpose_do(size: int, split) -> None:  # type: ignore[no-untyped-def]
    matrix = upsampling(size) if split is split_upsampling else downsampling(size)
    for blocks, whole in zip(split(matrix), (matrix, matrix.T), strict=True):
        tall = random_images(2, whole.shape[1], 3)
        wide = random_images(2, 3, whole.shape[1])
        torch.testing.assert_close(multiply_columns(blocks, tall), whole @ tall)
        torch.testing.assert_close(multiply_rows(blocks, wide), wide @ whole.T)


def test_a_short_axis_is_one_block_and_a_long_one_leaves_most_of_the_matrix_out() -> None:
    for split, matrix_of in ((split_upsampling, upsampling), (split_downsampling, downsampling)):
        for blocks in split(matrix_of(BLOCK)):
            assert len(blocks) == 1
        for blocks in split(matrix_of(20 * BLOCK)):
            assert (
                sum(block.entries.numel() for block in blocks) < matrix_of(20 * BLOCK).numel() / 8
            )
