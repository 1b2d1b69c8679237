"""The precision that networks run in, and that of what must not be in bfloat16: norms, deviations, sums, logits."""

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> Tensor:
    """The tensor in float32; float64 stays, so that a network in float64 is float64 throughout."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def forward_precision(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """The context in which networks run.

    Args:
        device: Of the networks.
        dtype: Type of their arithmetic, or None for that of their weights.
    """
    return torch.autocast(device.type, dtype=dtype or torch.bfloat16, enabled=dtype is not None)


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """The type in which autocast has products and convolutions now, None where it is off.

    Args:
        device: Of the tensors. The device "meta" has no autocast.
    """
    if device.type == "meta" or not torch.is_autocast_enabled(device.type):
        return None
    return torch.get_autocast_dtype(device.type)


def without_autocast(device: torch.device) -> torch.autocast:
    """The context in which a part of a network runs in full precision, whatever the rest of it does.

    Args:
        device: Of its tensors. The device "meta", which has no autocast, takes the CPU's.
    """
    return torch.autocast("cpu" if device.type == "meta" else device.type, enabled=False)
