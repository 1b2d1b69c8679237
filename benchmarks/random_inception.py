"""Weights in the places of Inception's, drawn: the real file is not ours to ship and cannot be had offline."""

import torch
from torch import Tensor

from adavit.metrics.extractors.inception import expected_state


def random_inception() -> dict[str, Tensor]:
    """A state dict of the right names and shapes; He-scaled, so that features stay alive."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in expected_state().items():
        if tensor.ndim >= 2:
            drawn = torch.randn(tensor.shape, generator=generator)
            state[name] = drawn * (2 / tensor[0].numel()) ** 0.5
        elif name.endswith(("bn.weight", "running_var")):
            state[name] = torch.ones(tensor.shape)
        else:
            state[name] = torch.zeros(tensor.shape, dtype=tensor.dtype)
    return state
