import pytest
import torch

from adavit.augment.devices import is_accelerator


@pytest.mark.parametrize(
    ("device", "accelerator"),
    [("cpu", False), ("meta", False), ("cuda", True), ("cuda:1", True), ("xpu", True)],
)
def test_what_has_no_memory_of_its_own_is_no_accelerator(device: str, accelerator: bool) -> None:
    assert is_accelerator(torch.device(device)) is accelerator
