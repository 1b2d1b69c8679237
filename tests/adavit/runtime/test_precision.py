import pytest
import torch

from adavit.runtime.precision import full_precision


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_raised_to_float32_and_never_lowered(
    given: torch.dtype, expected: torch.dtype
) -> None:
    raised = full_precision(torch.tensor([1.5], dtype=given))
    assert raised.dtype == expected
    assert raised.item() == 1.5
