import math

import numpy as np
import pytest
import torch

from adavit.augment.matrices import (
    doubled,
    identity,
    product,
    quarter_rotation,
    quarter_turn_cosine_sine,
    rotation,
    scaling,
    translation,
)
from tests.references import augment_reference as reference

A, B = torch.tensor([[0.3, -2.0, 0.0], [1.5, 0.25, -1.0]], dtype=torch.float64)


def test_quarter_rotation_equals_rotation() -> None:
    turns = torch.arange(4, dtype=torch.float64)
    torch.testing.assert_close(
        product(quarter_rotation(turns)), product(rotation(turns / 4)), rtol=0, atol=1e-15
    )


def test_translations_scalings_and_rotations_are_those_of_the_definitions() -> None:
    for index, (a, b) in enumerate(zip(A.tolist(), B.tolist(), strict=True)):
        np.testing.assert_allclose(
            product(translation(A, B))[index], reference.translation(a, b), atol=1e-15
        )
        np.testing.assert_allclose(product(scaling(A, B))[index], np.diag([a, b, 1]), atol=1e-15)
        expected = reference.rotation(2 * math.pi * a)
        np.testing.assert_allclose(product(rotation(A))[index], expected, atol=1e-15)


def test_a_quarter_turn_brings_right_to_down() -> None:
    right = torch.tensor([1.0, 0.0, 1.0], dtype=torch.float64)
    turned = product(quarter_rotation(torch.tensor([1.0], dtype=torch.float64)))[0] @ right
    assert turned.tolist() == [0, 1, 1]  # y points down: clockwise on the screen


def test_products_of_matrices_are_those_of_the_maps() -> None:
    both = product(translation(A, B), translation(B, A))
    torch.testing.assert_close(both, product(translation(A + B, A + B)))
    torch.testing.assert_close(product(rotation(A), rotation(B)), product(rotation(A + B)))
    back = product(rotation(A), rotation(-A))
    torch.testing.assert_close(back, identity(A), rtol=0, atol=1e-15)
    moved = product(scaling(A, B), translation(A, B))
    torch.testing.assert_close(moved, product(translation(A * A, B * B), scaling(A, B)))
    torch.testing.assert_close(moved, product(scaling(A, B)) @ product(translation(A, B)))


def test_parameters_are_doubled_under_their_names() -> None:
    found, other = doubled({"x": A.float(), "y": torch.tensor([1.0, 0.0, 1.0])}, {"x": -A.float()})
    assert found["x"].dtype == found["y"].dtype == other["x"].dtype == torch.float64
    assert torch.equal(found["x"], A.float().double())
    assert found["y"].tolist() == [1, 0, 1]
    assert list(other) == ["x"]
    assert torch.equal(other["x"], -found["x"])


def test_quarter_turns_are_exact_at_every_precision() -> None:
    for dtype in (torch.float32, torch.float64, torch.int64):
        cosine, sine = quarter_turn_cosine_sine(torch.arange(4).to(dtype))
        assert cosine.dtype == sine.dtype == dtype
        assert cosine.tolist() == [1, 0, -1, 0]
        assert sine.tolist() == [0, 1, 0, -1]
    assert (2 * math.pi * torch.tensor(0.25)).cos() != 0  # which the cosine of an angle is not


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_is_a_matrix_of_its_dtype_for_each_value(dtype: torch.dtype) -> None:
    values = torch.zeros(5, dtype=dtype)
    made = [product(factor) for factor in (translation(values, values), rotation(values))]
    for matrices in (identity(values), *made):
        assert matrices.dtype == dtype
        assert torch.equal(matrices, torch.eye(3, dtype=dtype).expand(5, 3, 3))
