"""StyleGAN2's discriminator as one of ours: the same function, under our names."""

import re
from typing import Any

from torch import Tensor

from adavit.config.section import MOST
from adavit.importing.foreign import (
    Converted,
    ForeignNetwork,
    NoCounterpart,
    channels_of,
    converted,
    inputs_of,
    sides_up_to,
)
from adavit.importing.records import described
from adavit.models import ResNetDiscriminator
from adavit.models.epilogue import LABEL_LR_MULTIPLIER

GROUP = 4
"""Images over which the standard deviation is taken, where the file does not say."""

_BLOCK = re.compile(r"b(\d{1,5})\.")
_LINEAR = ("embed", "out", "skip")


def is_discriminator(network: ForeignNetwork) -> bool:
    """Whether it judges images as StyleGAN2's does, of whatever architecture."""
    return "b4.out.weight" in network.values


def convert_discriminator(network: ForeignNetwork) -> Converted[ResNetDiscriminator]:
    """A discriminator of ours with its weights.

    Args:
        network: As its file describes it.

    Raises:
        NoCounterpart: If it is of another kind.
        UnreadablePickle: If its tensors are damaged.
    """
    if not is_discriminator(network):
        raise NoCounterpart("it is not StyleGAN2's discriminator: it has no b4.out")
    found = [int(match[1]) for match in map(_BLOCK.match, network.values) if match]
    sides = sides_up_to(max(found))
    form = _form(network, sides)
    network.check(_LINEAR)
    labels = "mapping.embed.weight" in network.values
    layers = network.numbered("mapping.fc")
    names = _names(sides, form=form, label_layers=layers if labels else 0, labels=labels)
    theirs = network.read(names)
    widths = {side: theirs[f"b{side}.conv0.bias"].numel() for side in sides[1:]}
    widths[4] = theirs["b4.conv.bias"].numel()
    arguments: dict[str, Any] = {
        "resolution": sides[-1],
        "image_channels": inputs_of(theirs[f"b{sides[-1]}.fromrgb.weight"], 4),
        "num_classes": inputs_of(theirs["mapping.embed.weight"], 2) if labels else 0,
        "form": form,
        **channels_of(widths),
        "minibatch_std_group": _group(network, inputs_of(theirs["b4.conv.weight"], 4) - widths[4]),
        "normalization": "none",
        "label_layers": layers if labels else 0,
    }
    # Ours has one rate for all; weights times the rate are the same.
    rate = network.rate(LABEL_LR_MULTIPLIER)
    state = {ours: _turned(theirs[name], ours, rate) for name, ours in names.items()}
    return converted(network, ResNetDiscriminator, arguments, state)


def _form(network: ForeignNetwork, sides: list[int]) -> str:
    from_images = [side for side in sides if f"b{side}.fromrgb.weight" in network.values]
    if len(from_images) > 1:
        raise NoCounterpart("its architecture is skip, expected resnet or orig")
    skips = any(f"b{side}.skip.weight" in network.values for side in sides)
    return "residual" if skips else "plain"


def _group(network: ForeignNetwork, channels: int) -> int:
    """Images over which the standard deviation is taken; 0 if it is not."""
    if channels not in (0, 1):
        raise NoCounterpart(
            f"its standard deviation over images has {channels} channels, expected 1 or none"
        )
    given = network.settings.get("mbstd_group_size", GROUP)
    if given is None:
        given = MOST  # the whole batch
    if type(given) is not int or not 1 <= given <= MOST:
        raise NoCounterpart(f"its standard deviation is taken over {described(given)} images")
    return given * channels


def _names(sides: list[int], *, form: str, label_layers: int, labels: bool) -> dict[str, str]:
    """Our name of each tensor by theirs."""
    layers = {
        f"b{sides[-1]}.fromrgb": "from_image",
        "b4.conv": "epilogue.convolution",
        "b4.fc": "epilogue.dense",
        "b4.out": "head.dense",
    }
    for block, side in enumerate(reversed(sides[1:])):
        layers |= {
            f"b{side}.conv0": f"blocks.{block}.first",
            f"b{side}.conv1": f"blocks.{block}.second",
        }
    if labels:
        layers["mapping.embed"] = "head.projection.embedding"
        for number in range(label_layers):
            layers[f"mapping.fc{number}"] = f"head.projection.layers.{number}"
    found = {
        f"{theirs}.{part}": f"{ours}.{part}"
        for theirs, ours in layers.items()
        for part in ("weight", "bias")
    }
    if form == "residual":
        for block, side in enumerate(reversed(sides[1:])):
            found[f"b{side}.skip.weight"] = f"blocks.{block}.skip.weight"
    return found


def _turned(tensor: Tensor, ours: str, rate: float) -> Tensor:
    if ours == "head.projection.embedding.weight":
        return tensor.T.contiguous()
    if ours.startswith("head.projection.layers.") and rate != LABEL_LR_MULTIPLIER:
        return tensor * (rate / LABEL_LR_MULTIPLIER)
    return tensor
