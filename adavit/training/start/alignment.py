"""What the tensors of another network are in one of ours, where names and shapes do not tell.

What was learnt at another resolution fits where layers agree by name and shape; the blocks of a convolutional
discriminator are counted from the smallest grid up, as those of the generator are. What lies on that grid is
interpolated to another: the generator's constant, and how StyleGAN2's discriminator weighs places. Numbers that a layer
stores in another form are brought to its own, so that the function is the same.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from adavit.models import Generator
from adavit.models.fitting import (
    part_of_state,
    resize_position_embeddings,
    resized_grid,
    unflatten_other_patches,
)
from adavit.models.last_layer import LastLayer
from adavit.models.pixel_noise import BOUND, NOISES, LearnedNoise
from adavit.models.resnet.chain import measured_names
from adavit.models.resnet.stylegan2 import DenseEpilogue
from adavit.models.san import SanLayer
from adavit.models.san_states import plain_state, sliced_state
from adavit.runtime.patch import Patch
from adavit.runtime.resolution import Resolution

CONSTANT = "synthesis.constant"
"""Of a generator: what its images grow from."""

DENSE = "epilogue.dense.weight"
"""Of a discriminator: how it weighs the places of its smallest grid."""

_MAPPING = "mapping.layers."
_BLOCK = re.compile(r"^blocks\.(\d+)\.")


@dataclass(frozen=True)
class OfferedTensors:
    """What a network can take over.

    Attributes:
        tensors: By its own names.
        withheld: Why those are not among them that were there and are not for it, by name; empty where that goes
            without saying.
        remarks: Which of them were interpolated, and between which grids; and what of a function could not be taken.
    """

    tensors: dict[str, Tensor]
    withheld: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def note_resized(self, name: str, before: Sequence[int], now: Sequence[int]) -> None:
        """Notes that a tensor is of another grid, where it is."""
        if tuple(before) != tuple(now):
            sizes = ("x".join(map(str, grid)) for grid in (before, now))
            self.remarks.append(f"{name} resized from {' to '.join(sizes)}")


def aligned_generator(
    source: Mapping[str, Tensor], made_with: Mapping[str, Any], network: Generator
) -> OfferedTensors:
    """What a generator can take over of another.

    Args:
        source: The other's state. Not changed.
        made_with: The other's arguments, as far as they are known; what is not is taken to be as here.
        network: Not changed.

    Returns:
        Tensors with which the mapping gives the same styles and the noise is as strong.
    """
    offer = OfferedTensors(dict(source))
    wanted, found = network.synthesis.constant, source.get(CONSTANT)
    if found is not None and found.ndim == 4 and found.shape[:2] == wanted.shape[:2]:
        height, width = wanted.shape[2:]
        offer.tensors[CONSTANT] = resized_grid(found, (height, width))
        offer.note_resized(CONSTANT, found.shape[2:], wanted.shape[2:])
    _rescale_mapping(offer, made_with, network)
    _convert_noise(offer, made_with, network)
    return offer


def _rescale_mapping(
    offer: OfferedTensors, made_with: Mapping[str, Any], network: Generator
) -> None:
    """Weights of the mapping are stored over the factor on their learning rate."""
    there, here = made_with.get("mapping_lr_multiplier"), network.mapping.lr_multiplier
    if isinstance(there, int | float) and there != here:
        for name, tensor in offer.tensors.items():
            if name.startswith(_MAPPING):
                offer.tensors[name] = tensor * (there / here)


def _convert_noise(offer: OfferedTensors, made_with: Mapping[str, Any], network: Generator) -> None:
    """Strengths of noise are stored as they are, or bounded ones as what they are the tanh of."""
    there = NOISES.get(str(made_with.get("noise")))
    if there is None:
        return
    for prefix, layer in network.named_modules():
        name = f"{prefix}.strength"
        if isinstance(layer, LearnedNoise) and type(layer) is not there and name in offer.tensors:
            parameter = layer.parameter_of(there.strength_of(offer.tensors.pop(name)))
            if parameter.isfinite().all():
                offer.tensors[name] = parameter
            else:
                offer.withheld[name] = f"there beyond the {BOUND:g} of bounded noise"


def aligned_discriminator(
    source: Mapping[str, Tensor], made_with: Mapping[str, Any], network: nn.Module
) -> OfferedTensors:
    """What a discriminator can take over of another.

    The blocks of a convolutional one begin at the resolution of the images and are renumbered; what lies on its
    smallest grid and the learned positions of a ViT are interpolated. What CHAIN has measured is of another run.

    Args:
        source: The other's state. Not changed.
        made_with: The other's arguments, as far as they are known; what is not is taken to be as here.
        network: Not changed.
    """
    if made_with.get("patch") and made_with.get("resolution"):
        offer = _on_the_grid_of(network, source, made_with)
    else:
        offer = _by_blocks_from_the_smallest(network, source)
        _resize_epilogue(offer, made_with, network)
    for name in measured_names(network):
        if offer.tensors.pop(name, None) is not None:
            offer.withheld[name] = "begins anew"
    convert_last_layers(offer, network)
    return offer


def convert_last_layers(offer: OfferedTensors, network: nn.Module) -> None:
    """Last layers of SAN are made of others, and others of them, where the network has the other kind.

    Args:
        offer: Under the names of the network. Changed.
        network: A discriminator, or a critic of several heads. Not changed.
    """
    for prefix, layer in network.named_modules():
        if not isinstance(layer, LastLayer):
            continue
        found = part_of_state(offer.tensors, f"{prefix}.")
        if not found or isinstance(layer, SanLayer) is ("scale" in found):
            continue
        lost = ""
        with suppress(LookupError, RuntimeError):  # other parts: they do not fit and are named
            if isinstance(layer, SanLayer):
                state = sliced_state(layer, found)
            else:
                state, lost = plain_state(layer, found)
            for name in found:
                del offer.tensors[f"{prefix}.{name}"]
            offer.tensors.update({f"{prefix}.{name}": tensor for name, tensor in state.items()})
        if lost:
            offer.remarks.append(f"{prefix} without {lost}")


def _by_blocks_from_the_smallest(
    network: nn.Module, source: Mapping[str, Tensor]
) -> OfferedTensors:
    """The tensors of a convolutional discriminator under the numbers of its blocks here."""
    shift = _blocks(network.state_dict()) - _blocks(source)

    def renamed(key: str) -> str:
        return _BLOCK.sub(lambda found: f"blocks.{int(found[1]) + shift}.", key)

    return OfferedTensors({renamed(key): value for key, value in source.items()})


def _resize_epilogue(
    offer: OfferedTensors, made_with: Mapping[str, Any], network: nn.Module
) -> None:
    """A dense layer over 6x4 places has the shape of one over 4x6, and means others."""
    epilogue, weight = getattr(network, "epilogue", None), offer.tensors.get(DENSE)
    if isinstance(epilogue, DenseEpilogue) and weight is not None and made_with.get("resolution"):
        grid = Resolution.of(made_with["resolution"]).smallest
        with suppress(RuntimeError):  # other channels: it does not fit and is named
            offer.tensors[DENSE] = epilogue.resized(weight, grid)
            offer.note_resized(DENSE, grid, epilogue.grid)


def _on_the_grid_of(
    network: nn.Module, source: Mapping[str, Tensor], made_with: Mapping[str, Any]
) -> OfferedTensors:
    """The tensors of a ViT with its learned positions for another grid of patches."""
    patch = Patch.of(made_with["patch"])
    grid = patch.grid_of(Resolution.of(made_with["resolution"]))
    told = unflatten_other_patches(source, network, patch=patch)
    fitted = resize_position_embeddings(told, network, grid=grid)
    lost = dict.fromkeys(source.keys() - fitted.keys(), "there of another grid")
    return OfferedTensors(fitted, withheld=lost)


def _blocks(state: Mapping[str, Any]) -> int:
    found = [int(match[1]) for match in map(_BLOCK.match, state) if match]
    return max(found, default=-1) + 1
