"""The precision of what must not be computed in bfloat16: norms, deviations, sums and logits."""

import torch
from torch import Tensor


def full_precision(tensor: Tensor) -> Tensor:
    """The tensor in float32; float64 stays, so that a network in float64 is float64 throughout."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
