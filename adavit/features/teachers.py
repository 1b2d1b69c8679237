"""Frozen transformers whose tokens a ViT discriminator learns to predict: torchvision's `vit_b_16`, and timm's."""

from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from adavit.errors import UserError
from adavit.features.architectures import Tap
from adavit.features.background import on_background
from adavit.features.choice import PretrainedNetwork, find_network
from adavit.features.library import Library
from adavit.features.names import NamedBy, parted
from adavit.features.network import FrozenNetwork
from adavit.features.published_vit import PublishedTeacher, read_published_trunk
from adavit.features.timm_networks import Timm, TimmMaps
from adavit.features.weights import Weights
from adavit.models.published_vit import SIZES, is_of_library
from adavit.runtime.patch import AnyPatch, Patch
from adavit.runtime.resolution import AnyResolution, Resolution

SETTING = "training.distill_network"
NAMED_BY = NamedBy(f"--set {SETTING}=", "leave training.distill_weight out")


class FoundTeacher(Protocol):
    """A transformer trained on other images, whose weights are there."""

    @property
    def identity(self) -> str:
        """Name and digest, as records hold them."""
        ...

    @property
    def width(self) -> int:
        """Features of its tokens."""
        ...

    def teacher(
        self, *, resolution: AnyResolution, image_channels: int, patch: AnyPatch
    ) -> nn.Module:
        """The frozen network: images [B, C, H, W] in [-1, 1] to tokens after its last norm [B, 1 + N, width].

        Args:
            resolution: Of the images.
            image_channels: Their channels: 1, 3 or 4; RGBA is seen on grey.
            patch: Of the N patches, as `Patch.of` takes it.

        Raises:
            UserError: If the file holds other weights.
        """
        ...


def find_transformer(requested: str, named_by: NamedBy = NAMED_BY) -> FoundTeacher:
    """Looks for what `training.distill_network` names.

    Args:
        requested: Its value.
        named_by: How messages name the setting.

    Raises:
        UserError: If it is no network with a class token, or its weights cannot be had.
    """
    if is_of_library(requested):
        return read_published_trunk(requested, named_by)
    class_token = _class_token(requested, named_by)
    found = find_network(requested, named_by)
    found.check()
    return TimmTransformer(found, class_token)


def transformer_width(requested: str, named_by: NamedBy = NAMED_BY) -> int:
    """Features of the tokens of what `training.distill_network` names; its weights need not be there.

    Args:
        requested: Its value.
        named_by: How messages name the setting.

    Raises:
        UserError: If it is no network with a class token.
    """
    if is_of_library(requested):
        width: int = SIZES["width"]
        return width
    return _class_token(requested, named_by).channels


def unread_teacher(
    requested: str, *, resolution: AnyResolution, image_channels: int, patch: AnyPatch
) -> nn.Module:
    """What `FoundTeacher.teacher` returns, without the file of its weights: for torch's device "meta", entered.

    Args:
        requested: The value of `training.distill_network`.
        resolution: As for `FoundTeacher.teacher`.
        image_channels: Likewise.
        patch: Likewise.

    Raises:
        UserError: If it is no network with a class token.
    """
    if is_of_library(requested):
        return PublishedTeacher(
            None, resolution=resolution, image_channels=image_channels, patch=patch
        )
    token, name = _class_token(requested, NAMED_BY), parted(requested).network
    return _teacher(Timm(NAMED_BY), name, token, _patches(resolution, patch), None)


@dataclass(frozen=True)
class TimmTransformer:
    """A transformer of timm.

    Attributes:
        found: Which, and its file.
        class_token: What is known of its class token.
    """

    found: PretrainedNetwork
    class_token: Tap

    @property
    def identity(self) -> str:
        """See `FoundTeacher`."""
        return self.found.identity

    @property
    def width(self) -> int:
        """See `FoundTeacher`."""
        return self.class_token.channels

    def teacher(
        self, *, resolution: AnyResolution, image_channels: int, patch: AnyPatch
    ) -> "TimmTeacher":
        """See `FoundTeacher`."""
        found, patches = self.found, _patches(resolution, patch)
        return _teacher(found.library, found.name, self.class_token, patches, found.weights)


class TimmTeacher(nn.Module):
    """Tokens of a frozen transformer of timm, which sees images resized to as many of its patches as are asked for.

    Rows and columns of patches are those of the discriminator. Where its patches are square, images keep their shape:
    of 24x40 pixels in patches of 4 a network of patches of 14 sees 84x140; in patches of 3x5 it sees 112x112.

    Args:
        network: With the class token as its only tap.
    """

    def __init__(self, network: FrozenNetwork) -> None:
        super().__init__()
        self.network = network

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Tokens [B, 1 + N, C], the class token first, of images [B, C, H, W] in [-1, 1]."""
        maps = cast(TimmMaps, self.network.network)
        return maps.tokens(self.network.normalised(on_background(images, None)))


def _teacher(
    library: Library,
    name: str,
    class_token: Tap,
    patches: tuple[int, int],
    weights: Weights | None,
) -> TimmTeacher:
    """A network of timm that sees images of so many rows and columns of patches."""
    known = library.architecture(name)
    assert known.patch is not None
    network = FrozenNetwork(
        name,
        side=(known.patch * patches[0], known.patch * patches[1]),
        taps=(class_token,),
        mean=known.mean,
        std=known.std,
        library=library,
        weights=weights,
    )
    return TimmTeacher(network)


def _patches(resolution: AnyResolution, patch: AnyPatch) -> tuple[int, int]:
    return Patch.of(patch).grid_of(Resolution.of(resolution))


def _class_token(requested: str, named_by: NamedBy) -> Tap:
    found = Timm(named_by).architecture(parted(requested).network).class_token
    if found is None:
        raise UserError(
            f"{named_by.setting}{requested} has no class token, expected a transformer with one, for"
            f" example timm:vit_small_patch14_dinov2. Name such a one, or {named_by.otherwise}."
        )
    return found
