"""StyleGAN2's generator as one of ours: the same function, under our names."""

import re
from typing import Any

from torch import Tensor

from adavit.importing.foreign import (
    Converted,
    ForeignNetwork,
    NoCounterpart,
    channels_of,
    converted,
    inputs_of,
    sides_up_to,
)
from adavit.models import Generator
from adavit.runs.generator_file import IMAGE_CHANNELS

RATE = 0.01
"""Factor on the learning rate of the mapping network, where the file does not say."""

_STYLEGAN3 = re.compile(r"synthesis\.(?:input\.|L\d+_)")
_BLOCK = re.compile(r"synthesis\.b(\d{1,5})\.")
_LINEAR = ("affine", "embed", "torgb")


def is_generator(network: ForeignNetwork) -> bool:
    """Whether it makes images, of whatever kind."""
    return any(name.startswith("synthesis.") for name in network.values)


def is_stylegan3(network: ForeignNetwork) -> bool:
    """Whether it is StyleGAN3's generator, which has no counterpart among ours."""
    return any(_STYLEGAN3.match(name) for name in network.values)


def convert_generator(network: ForeignNetwork) -> Converted[Generator]:
    """A generator of ours with its weights.

    Args:
        network: As its file describes it.

    Raises:
        NoCounterpart: If it is of another kind.
        UnreadablePickle: If its tensors are damaged.
    """
    if is_stylegan3(network):
        raise NoCounterpart("it is StyleGAN3's, whose layers are others")
    found = [int(match[1]) for match in map(_BLOCK.match, network.values) if match]
    sides = sides_up_to(max(found, default=0))
    _check_architecture(network, sides)
    network.check(_LINEAR)
    labels = "mapping.embed.weight" in network.values
    noise = "synthesis.b4.conv1.noise_strength" in network.values
    layers = network.numbered("mapping.fc")
    names = _names(sides, layers=layers, labels=labels, noise=noise)
    theirs = network.read(names)
    style_dim = inputs_of(theirs["synthesis.b4.conv1.affine.weight"], 2)
    first = inputs_of(theirs["mapping.fc0.weight"], 2)
    last = f"synthesis.b{sides[-1]}"
    arguments: dict[str, Any] = {
        "resolution": sides[-1],
        "image_channels": theirs[f"{last}.torgb.bias"].numel(),
        "num_classes": inputs_of(theirs["mapping.embed.weight"], 2) if labels else 0,
        "latent_dim": first - style_dim if labels else first,
        "style_dim": style_dim,
        "mapping_layers": layers,
        "mapping_lr_multiplier": network.rate(RATE),
        **channels_of({s: theirs[f"synthesis.b{s}.conv1.bias"].numel() for s in sides}),
        "noise": "learned" if noise else "none",
    }
    if arguments["image_channels"] not in IMAGE_CHANNELS:
        raise NoCounterpart(
            f"it draws images of {arguments['image_channels']} channels, expected 1, 3 or 4"
        )
    state = {ours: _turned(theirs[name], ours) for name, ours in names.items()}
    return converted(network, Generator, arguments, state)


def _check_architecture(network: ForeignNetwork, sides: list[int]) -> None:
    if any(f"synthesis.b{side}.skip.weight" in network.values for side in sides):
        raise NoCounterpart("its architecture is resnet, expected skip")
    with_images = [side for side in sides if f"synthesis.b{side}.torgb.weight" in network.values]
    if with_images != sides and with_images[-1:] == sides[-1:]:
        raise NoCounterpart("its architecture is orig, expected skip")


def _names(sides: list[int], *, layers: int, labels: bool, noise: bool) -> dict[str, str]:
    """Our name of each tensor by theirs."""
    found = {"mapping.w_avg": "w_average", "synthesis.b4.const": "synthesis.constant"}
    for part in ("weight", "bias"):
        if labels:
            found[f"mapping.embed.{part}"] = f"mapping.embedding.{part}"
        found |= {
            f"mapping.fc{n}.{part}": f"mapping.layers.{n}.{part}" for n in range(max(layers, 1))
        }
    for block, side in enumerate(sides):
        theirs, ours = f"synthesis.b{side}", f"synthesis.blocks.{block}"
        convolutions = ["conv1"] if side == 4 else ["conv0", "conv1"]
        pairs = {f"{theirs}.{c}": f"{ours}.convolutions.{n}" for n, c in enumerate(convolutions)}
        for layer, own in pairs.items():
            if noise:
                found[f"{layer}.noise_strength"] = f"{own}.noise.strength"
                found[f"{layer}.noise_const"] = f"{own}.noise.fixed"
        pairs[f"{theirs}.torgb"] = f"{ours}.to_image"
        for layer, own in pairs.items():
            for part in ("weight", "bias", "affine.weight", "affine.bias"):
                found[f"{layer}.{part}"] = f"{own}.{part}"
    return found


def _turned(tensor: Tensor, ours: str) -> Tensor:
    if ours == "mapping.embedding.weight":
        return tensor.T.contiguous()
    if ours == "synthesis.constant":
        return tensor[None]
    if ours.endswith("to_image.weight"):
        inputs_of(tensor, 4)
        if tensor.shape[2:] != (1, 1):
            raise NoCounterpart(
                "it draws colours of more than one pixel, expected kernels of 1 x 1"
            )
        return tensor.flatten(1)
    return tensor
