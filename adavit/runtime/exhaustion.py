"""Telling want of memory from other errors: torch and the system have many names for it. Knows nothing of torch."""

_SIGNS_OF_MEMORY = (
    "can't allocate memory",  # torch
    "CUDA error: out of memory",  # of a driver, where torch's own memory is not concerned
    "_STATUS_ALLOC_FAILED",  # cuBLAS and cuDNN
    "annot allocate memory",  # the system, in upper case or not
    "failed to map segment",  # the linker, at the import of torch
    "could not create a primitive",  # oneDNN
    "bad_alloc",  # C++
    "can't start new thread",  # whose stack finds no room
    "error return without exception set",  # Python, when it runs out within a library
    "returned NULL without setting an exception",  # likewise
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, on the host or on a device.

    Args:
        error: Any; torch has a class for it on an accelerator and none on a CPU.
    """
    # By name, so that an error does not have to wait for torch to be imported.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"MemoryError", "OutOfMemoryError"}:
        return True
    return any(sign in str(error) for sign in _SIGNS_OF_MEMORY)
