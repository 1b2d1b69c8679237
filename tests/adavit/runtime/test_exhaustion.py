import pytest
import torch

from adavit.runtime.exhaustion import is_out_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 MiB"),
        torch.AcceleratorError("CUDA error: out of memory\nSearch for it"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling f"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_want_of_memory_is_known_by_class_or_by_words(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("size mismatch"), KeyError("memory"), OSError(24, "Too many open files")]
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not is_out_of_memory(error)


def test_torch_says_it_so_on_this_machine() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)
