"""Kinds of devices."""

import torch


def is_accelerator(device: torch.device) -> bool:
    """Whether tensors there lie in a memory of its own, beside the host's, and kernels run apart from it, as on a GPU.

    Args:
        device: Any; "meta", whose tensors lie nowhere, goes the ways of a CPU.
    """
    return device.type not in ("cpu", "meta")
