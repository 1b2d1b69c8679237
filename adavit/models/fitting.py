"""Weights of another network, as far as they fit: by name and shape, positions resized to another grid.

A number is of one shape whatever its weight is: what means something only beside weights, a module names in `goes_with`
(own parts -> the parts that they go with).

Learned position embeddings at another resolution are those of fine-tuning (arXiv:2010.11929, section 3.2).
"""

from collections.abc import Mapping
from contextlib import suppress

import torch.nn.functional as F
from torch import Tensor, nn

from adavit.runtime.patch import Patch


def part_of_state(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a part of a network, by their names within it; none if it has none.

    Args:
        state: Of the whole. Not changed.
        prefix: Of the part's names in it, with the dot.
    """
    return {
        name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
    }


def load_fitting(network: nn.Module, offered: Mapping[str, Tensor]) -> set[str]:
    """Takes over the tensors that agree by name and shape; all others stay as they are.

    What goes with weights is taken over only where all of them are.

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
    for name in _left_alone(network, fitting):
        fitting.pop(name, None)
    network.load_state_dict(fitting, strict=False)
    return set(fitting)


def _left_alone(network: nn.Module, fitting: Mapping[str, Tensor]) -> set[str]:
    """Names of what goes with weights of which some are not among the fitting."""
    names, alone = network.state_dict().keys(), set()

    def parts(path: str) -> list[str]:
        return [name for name in names if name == path or name.startswith(f"{path}.")]

    for path, module in network.named_modules():
        prefix = f"{path}." if path else ""
        for part, others in getattr(module, "goes_with", {}).items():
            if any(name not in fitting for other in others for name in parts(prefix + other)):
                alone.update(parts(prefix + part))
    return alone


def resized_grid(table: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolates a table over a grid, bicubic and smoothed where it shrinks.

    Args:
        table: Values [1, D, rows, columns].
        size: Wanted rows and columns.

    Returns:
        Values [1, D, *size]; exactly those given if the size is the same.
    """
    table = table.clone()
    for axis, length in ((2, size[0]), (3, size[1])):
        if table.shape[axis] != length:
            # One axis at a time, over two equal columns: torch (2.11 to 2.15) smooths along the
            # first axis wrongly where the second becomes 1 long.
            lines = table.movedim(axis, 2)  # [1, D, length, other]
            wide = lines.float().transpose(2, 3).flatten(0, 2)[:, None, :, None]
            wide = wide.expand(-1, -1, -1, 2)  # [D other, 1, length, 2]
            wide = F.interpolate(wide, (length, 2), mode="bicubic", antialias=True)
            lines = wide[:, 0, :, 0].unflatten(0, (lines.shape[1], -1)).transpose(1, 2)[None]
            table = lines.movedim(2, axis).to(table.dtype)
    return table


def resize_position_embeddings(
    state: Mapping[str, Tensor], network: nn.Module, *, grid: tuple[int, int]
) -> dict[str, Tensor]:
    """Makes a state of one resolution fit a network of another.

    Only learned position embeddings differ with the resolution; each is interpolated over the grid of
    patches, the class token's entry is kept. Where the state has no such entry and the network has, it is
    the network's own.

    Args:
        state: State of a network of any H x W; of what is of other parts nothing is changed. Not changed.
        network: What the state is to fit, an encoder or a discriminator. Not changed.
        grid: Rows and columns of patches of the network that the state is from.

    Returns:
        A new state for `network.load_state_dict`; equal to `state` if the grid and the class tokens are the same. A
        table that is not of this grid, so that nobody knows whose its entries are, is not among it.
    """
    fitting = dict(state)
    for name, module in network.named_modules():
        prefix = f"{name}." if name else ""
        keys = [prefix + key for key, _ in module.named_parameters()]
        if hasattr(module, "resized") and all(key in state for key in keys):
            tables = part_of_state({key: fitting.pop(key) for key in keys}, prefix)
            with suppress(LookupError, RuntimeError):  # it is not of this grid
                resized = module.resized(tables, grid)
                fitting |= {prefix + key: table for key, table in resized.items()}
    return fitting


def unflatten_other_patches(
    state: Mapping[str, Tensor], network: nn.Module, *, patch: Patch
) -> dict[str, Tensor]:
    """Tells weights of the pixels of patches from those of as many pixels in another shape, or of other channels.

    A stem that flattens patches names such weights in `of_pixels`: of 3x5 and of 5x3 pixels their tensors have one
    shape, and a pixel would be given the weight of another.

    Args:
        state: State of a network with the same parts. Not changed.
        network: What the state is to fit, an encoder or a discriminator.
        patch: Of the network that the state is from.

    Returns:
        A new state, in which those of another patch have rows and columns of pixels and fit nowhere.
    """
    told, own = dict(state), network.state_dict()
    for name, module in network.named_modules():
        if hasattr(module, "of_pixels") and module.patch != patch:
            for key in (f"{name}.{key}" for key in module.of_pixels):
                if key in state and key in own and state[key].shape == own[key].shape:
                    told[key] = state[key].unflatten(-1, (-1, *patch))
    return told
