import pytest
import torch
from torch import Tensor

from adavit.models.filter_products import filter_matrix, multiply_sides

DOUBLE = {"dtype": torch.float64, "device": torch.device("cpu")}


def test_a_matrix_holds_the_taps_at_every_place_they_reach() -> None:
    found = filter_matrix((1.0, 2.0, 3.0), 4, padding=1, stride=1, **DOUBLE)
    expected = torch.tensor([[2, 3, 0, 0], [1, 2, 3, 0], [0, 1, 2, 3], [0, 0, 1, 2]])
    assert torch.equal(found, expected.double())
    strided = filter_matrix((1.0, 2.0, 3.0), 4, padding=1, stride=2, **DOUBLE)
    assert torch.equal(strided, expected.double()[::2])


@pytest.mark.parametrize("size", [16, 33])
def test_rows_of_a_matrix_lie_where_tensor_cores_read(size: int) -> None:
    matrix = filter_matrix((1.0, 3.0), size, padding=0, stride=1, **DOUBLE)
    assert matrix.shape == (size - 1, size)
    assert matrix.stride(0) % 8 == 0


def test_sides_are_multiplied_by_their_matrices() -> None:
    stream = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=stream, dtype=torch.float64)

    features, columns, rows = drawn(2, 3, 4, 5), drawn(6, 4), drawn(7, 5)
    found = multiply_sides(features, columns, rows)
    expected = torch.einsum("ih,bchw,jw->bcij", columns, features, rows)
    torch.testing.assert_close(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_matrix_first_wanted_without_gradients_is_trained_with_later() -> None:
    """Kept from an evaluation in inference mode it could not be saved for a backward pass."""

    def matrix() -> Tensor:
        return filter_matrix((0.25, 0.75), 23, padding=1, stride=1, **DOUBLE)

    with torch.inference_mode():
        matrix()
    features = torch.ones(1, 1, 23, 23, dtype=torch.float64, requires_grad=True)
    multiply_sides(features, matrix(), matrix()).sum().backward()
    assert features.grad is not None
