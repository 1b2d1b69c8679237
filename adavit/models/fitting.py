"""Weights of another network, as far as they fit."""

from collections.abc import Mapping

from torch import Tensor, nn


def load_fitting(network: nn.Module, offered: Mapping[str, Tensor]) -> set[str]:
    """Takes over the tensors that agree by name and shape; all others stay as they are.

    Args:
        network: Changed in place.
        offered: Tensors by name. Not changed.

    Returns:
        Names of what was taken over.
    """
    fitting = {
        name: offered[name]
        for name, tensor in network.state_dict().items()
        if name in offered and offered[name].shape == tensor.shape
    }
    network.load_state_dict(fitting, strict=False)
    return set(fitting)
