"""FreezeD: the lower layers of a discriminator stay as another run has left them.

Mo et al. 2020, "Freeze the Discriminator" (arXiv:2002.10964).
"""

import re
from collections.abc import Collection

from torch import nn

from adavit.errors import UserError

# The trunk of every discriminator is a row of blocks; what is registered before them comes before them.
_BLOCK = re.compile(r"(?:encoder\.)?blocks\.(\d+)\.")


def lower_layers(discriminator: nn.Module) -> list[list[nn.Parameter]]:
    """Parameters from the image upwards: first the stem (and tokens and positions), then block by block.

    What comes after the last block (epilogue, norm, head) is not among them.

    Args:
        discriminator: With its blocks in `blocks` or `encoder.blocks`.
    """
    layers: list[list[nn.Parameter]] = [[]]
    block = None  # number of the one that was met last; one without weights is not met
    for name, parameter in discriminator.named_parameters():
        found = _BLOCK.match(name)
        if found and found[1] != block:
            block = found[1]
            layers.append([])
        if found or len(layers) == 1:
            layers[-1].append(parameter)
    return layers


def freeze_lower_layers(discriminator: nn.Module, count: int) -> None:
    """Takes the lowest `count` layers out of training, for good.

    Raises:
        UserError: If there are fewer.
    """
    layers = lower_layers(discriminator)
    if count > len(layers):
        raise UserError(
            f"training.freeze_d is {count}, but this discriminator has {len(layers)} layers below"
            f" its last layers (the stem and {len(layers) - 1} blocks). Use at most {len(layers)}."
        )
    for layer in layers[:count]:
        for parameter in layer:
            parameter.requires_grad_(False)


def check_frozen(discriminator: nn.Module, taken: Collection[str], source: str) -> None:
    """Refuses to leave a layer for good as it was drawn from the seed.

    Args:
        discriminator: After `freeze_lower_layers`.
        taken: Names of the weights that have been taken over into it.
        source: From what, for messages.

    Raises:
        UserError: If a weight that is not trained is not among them.
    """
    frozen = [name for name, weight in discriminator.named_parameters() if not weight.requires_grad]
    drawn = [name for name in frozen if name not in taken]
    if drawn:
        raise UserError(
            f"training.freeze_d leaves {drawn[0]} as it is, but {source} has none that fits. Use its"
            " resolution and sizes, or leave --freeze-d out."
        )
