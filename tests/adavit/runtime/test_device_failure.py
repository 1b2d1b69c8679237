import pytest
import torch

from adavit.runtime.device_failure import failed_device, is_device_failure

LOST = [
    torch.AcceleratorError("CUDA error: unknown error\nSearch for `cudaErrorUnknown' in https://docs"),
    torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered\nSearch for it"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle )`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("CUDA driver error: unknown error"),
    RuntimeError("NCCL error in: x.cpp:3, unhandled cuda error (run with NCCL_DEBUG=INFO for details)"),
]  # fmt: skip


@pytest.mark.parametrize("error", LOST, ids=str)
def test_a_device_that_fails_is_known_by_class_or_by_words(error: Exception) -> None:
    assert is_device_failure(error)
    said = failed_device(error)
    assert said.startswith("the device failed (")
    assert said.endswith("), expected it to work.")
    assert "\n" not in said


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("size mismatch"),
        RuntimeError("CUDA error: CUBLAS_STATUS_INVALID_VALUE when calling f"),  # ours
        ValueError("CUDA driver error"),
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("CUDA error: out of memory\nSearch for it"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ],
    ids=str,
)
def test_other_errors_are_none(error: Exception) -> None:
    assert not is_device_failure(error)
