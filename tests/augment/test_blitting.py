import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe, Blitting
from adavit.augment.matrices import doubled, product
from tests.augment.helpers import random_images, smooth_images
from tests.references import augment_reference as reference


def parameters(**values: float) -> dict[str, dict[str, Tensor]]:
    return {"blitting": {name: torch.tensor([float(value)]) for name, value in values.items()}}


def test_mirror_equals_torch_flip_bit_for_bit() -> None:
    images = random_images(1, 3, 5, 7, dtype=torch.float32)
    found = AugmentPipe(xflip=1).transform(images, parameters(mirrored=1))
    assert torch.equal(found, images.flip(3))


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
@pytest.mark.parametrize("size", [6, 7])
def test_quarter_turns_equal_torch_rot90_bit_for_bit(turns: int, size: int) -> None:
    images = random_images(1, 3, size, size, dtype=torch.float32)
    found = AugmentPipe(rotate90=1).transform(images, parameters(quarter_turns=turns))
    assert torch.equal(found, images.rot90(turns, (2, 3)))


@pytest.mark.parametrize(("x", "y"), [(2, 0), (-1, 3), (0, -4), (9, -11)])
def test_shift_equals_a_reflected_shift_bit_for_bit(x: int, y: int) -> None:
    images = random_images(1, 2, 5, 7, dtype=torch.float32)
    found = AugmentPipe(xint=1).transform(images, parameters(shift_x_px=x, shift_y_px=y))
    rows = [reference.reflected_index(i - y, 5) for i in range(5)]
    columns = [reference.reflected_index(i - x, 7) for i in range(7)]
    assert torch.equal(found, images[:, :, rows][:, :, :, columns])


def test_order_is_mirror_then_turn_then_shift_of_the_inverse_map() -> None:
    images = random_images(1, 1, 8, 8, dtype=torch.float32)
    values = parameters(mirrored=1, quarter_turns=1, shift_x_px=1, shift_y_px=2)
    found = AugmentPipe(xflip=1, rotate90=1, xint=1).transform(images, values)
    moved = images.flip(3).rot90(1, (2, 3))
    rows = [reference.reflected_index(i - 2, 8) for i in range(8)]
    columns = [reference.reflected_index(i - 1, 8) for i in range(8)]
    expected = moved[:, :, rows][:, :, :, columns]
    # The pipe composes maps before it reflects, so compare what the shift did not bring in.
    assert torch.equal(found[..., 2:, 1:], expected[..., 2:, 1:])


@pytest.mark.parametrize("turns", [0, 2])
def test_half_turns_of_other_shapes_are_exact(turns: int) -> None:
    images = random_images(1, 3, 5, 8, dtype=torch.float32)
    found = AugmentPipe(rotate90=1).transform(images, parameters(quarter_turns=turns))
    assert torch.equal(found, images.rot90(turns, (2, 3)))


def test_quarter_turn_of_other_shapes_keeps_the_shape_and_goes_through_the_resampler() -> None:
    images = smooth_images(1, 3, 20, 30)
    found = AugmentPipe(rotate90=1).transform(images, parameters(quarter_turns=1))
    assert found.shape == images.shape
    turned = images.rot90(1, (2, 3))  # 30 x 20
    # The middle 20 x 20 differs from an exact turn only by the asymmetry of sym6.
    error = (found[..., 5:25] - turned[..., 5:25, :]).abs()
    assert error.median() < 0.01


def test_parts_equal_the_matrix_of_the_same_parameters() -> None:
    group = Blitting(xflip=1, rotate90=1, xint=1)
    values = parameters(mirrored=1, quarter_turns=3, shift_x_px=2, shift_y_px=-1)["blitting"]
    matrix = product(*group.inverse_factors(*doubled(values)))[0]
    images = random_images(1, 1, 9, 9)
    moved = group.transform(images, values)
    for row in range(9):
        for column in range(9):
            position = torch.tensor([column - 4.0, row - 4.0, 1.0], dtype=torch.float64)
            x, y, _ = (matrix @ position).long().tolist()
            y, x = (reference.reflected_index(value + 4, 9) for value in (y, x))
            assert moved[0, 0, row, column] == images[0, 0, y, x]


def test_shift_in_quantile_mode_is_rounded_to_whole_pixels() -> None:
    values = AugmentPipe(xint=1).sample((2, 3, 30, 50), quantile=0.9)["blitting"]
    assert values["shift_x_px"].tolist() == [5, 5]
    assert values["shift_y_px"].tolist() == [3, 3]
