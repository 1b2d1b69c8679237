import pytest
import torch

from adavit.runtime.precision import (
    autocast_dtype,
    forward_precision,
    full_precision,
    without_autocast,
)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_full_precision_is_never_less_than_was_given(
    given: torch.dtype, expected: torch.dtype
) -> None:
    values = torch.tensor([1.0, 0.5], dtype=given)
    assert full_precision(values).dtype == expected
    assert full_precision(values).tolist() == [1.0, 0.5]


@pytest.mark.parametrize("dtype", [torch.bfloat16, None])
def test_products_are_in_the_type_that_was_asked_for(dtype: torch.dtype | None) -> None:
    weights = torch.full((2, 2), 1 / 3)
    with forward_precision(torch.device("cpu"), dtype):
        product = weights @ weights
    assert product.dtype == (dtype or torch.float32)
    third = weights.to(product.dtype).double()[0, 0]
    torch.testing.assert_close(
        product.double(), torch.full((2, 2), 2 * third**2).double(), rtol=2**-8, atol=0
    )


def test_a_part_without_autocast_is_in_full_precision_within_one_with_it() -> None:
    weights = torch.ones(2, 2)
    with forward_precision(weights.device, torch.bfloat16):
        with without_autocast(weights.device):
            assert (weights @ weights).dtype == torch.float32
        assert (weights @ weights).dtype == torch.bfloat16


def test_tensors_without_content_know_no_autocast() -> None:
    weights = torch.empty(2, 2, device="meta")
    with without_autocast(weights.device):
        assert (weights @ weights).dtype == torch.float32


def test_the_type_of_autocast_is_known_where_it_is_on() -> None:
    cpu = torch.device("cpu")
    assert autocast_dtype(cpu) is None
    with forward_precision(cpu, torch.bfloat16):
        assert autocast_dtype(cpu) is torch.bfloat16
        assert autocast_dtype(torch.device("meta")) is None
        with without_autocast(cpu):
            assert autocast_dtype(cpu) is None
