"""Telling a device that failed, or is gone, from other errors. Knows nothing of torch."""

from adavit.errors import RunError, first_line
from adavit.runtime.exhaustion import is_out_of_memory

_SIGNS_OF_FAILURE = (
    "CUDA driver error",
    "_STATUS_EXECUTION_FAILED",  # cuBLAS and cuDNN, whose errors are no `AcceleratorError`
    "_STATUS_INTERNAL_ERROR",
    "unhandled cuda error",  # nccl
)


class DeviceFailed(RunError):
    """A run has lost its device; nothing more can be computed there by this process."""


def is_device_failure(error: BaseException) -> bool:
    """Whether an exception says that an accelerator no longer works.

    Args:
        error: Any; want of memory is none.
    """
    if is_out_of_memory(error):
        return False
    # By name, as in `adavit.runtime.exhaustion`.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "AcceleratorError" in kinds:
        return True
    return "RuntimeError" in kinds and any(sign in str(error) for sign in _SIGNS_OF_FAILURE)


def failed_device(error: BaseException) -> str:
    """The sentence that says so.

    Args:
        error: For which `is_device_failure` holds.
    """
    return f"the device failed ({first_line(error)}), expected it to work."
