"""Published weights of a vision transformer, for a ViT discriminator: to start from, or to learn its tokens."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from adavit.errors import UserError
from adavit.features.background import on_background
from adavit.features.names import NamedBy, parted
from adavit.features.torchvision_networks import Torchvision
from adavit.metrics.extractors.weight_files import (
    check_fit,
    file_digest,
    read_tensors,
)
from adavit.models.published_vit import MEAN, PARTS, PATCH, PUBLISHED_VIT, SIZES, STD
from adavit.models.vit.encoder import VisionEncoder
from adavit.models.vit.torchvision_weights import (
    encoder_state,
    fitted_state,
    load_torchvision_weights,
    positions_like,
)
from adavit.runtime.patch import AnyPatch
from adavit.runtime.paths import expand_home
from adavit.runtime.precision import full_precision, without_autocast
from adavit.runtime.resolution import AnyResolution, Resolution

_WANTED = "the weights of torchvision's vit_b_16"
_COLOURS = {"mean": MEAN, "std": STD}


@dataclass(frozen=True)
class PublishedTrunk:
    """Weights of torchvision's `vit_b_16`, for the trunk of a discriminator.

    Attributes:
        weights: By torchvision's names, float32. Not to be changed.
        identity: Name and digest, as records hold them.
        path: The file.
    """

    weights: dict[str, Tensor]
    identity: str
    path: Path

    @property
    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of the `ViTDiscriminator` whose encoder takes them all."""
        return PARTS | SIZES

    @property
    def seen(self) -> tuple[str, ...]:
        """`identity`, alone."""
        return (self.identity,)

    @property
    def width(self) -> int:
        """Features of its tokens."""
        width: int = SIZES["width"]
        return width

    def teacher(
        self, *, resolution: AnyResolution, image_channels: int, patch: AnyPatch
    ) -> "PublishedTeacher":
        """The network that gives its tokens, see `adavit.features.teachers.FoundTeacher`."""
        return PublishedTeacher(
            self, resolution=resolution, image_channels=image_channels, patch=patch
        )

    def state(self) -> dict[str, Tensor]:
        """The weights."""
        return self.weights

    def fitted_to(self, encoder: VisionEncoder) -> dict[str, Tensor]:
        """The weights under the names of an encoder, for its grid, patch and channels; see `fitted_state`."""
        return fitted_state(encoder, self.weights, **_COLOURS)


def read_published_trunk(requested: str, named_by: NamedBy) -> PublishedTrunk:
    """Reads the weights that a setting names, downloaded where it names no file and they are missing.

    Args:
        requested: As `adavit.models.published_vit.check_name` lets through.
        named_by: How it was named.

    Raises:
        UserError: If there are none, or the file holds others, or anything but tensors.
    """
    path = _file(requested, named_by)
    named = f"{named_by.setting}{requested}"
    state = read_tensors(path, named, _WANTED, otherwise=named_by.otherwise)
    weights = {name: value.float() for name, value in state.items()}
    ours = encoder_state(weights)
    check_fit(ours, _expected(ours), named, _WANTED, otherwise=named_by.otherwise)
    return PublishedTrunk(weights, f"{PUBLISHED_VIT} {file_digest(path)}", path)


class PublishedTeacher(nn.Module):
    """The published network, frozen: tokens of images of the size, patches and channels of a discriminator.

    It sees them as `fitted_state` says; RGBA on a grey ground.

    Args:
        trunk: Its weights. None: none, on torch's device "meta".
        resolution: Of the images.
        image_channels: Their channels: 1, 3 or 4.
        patch: Of its images, as `Patch.of` takes it.
    """

    def __init__(
        self,
        trunk: PublishedTrunk | None,
        *,
        resolution: AnyResolution,
        image_channels: int,
        patch: AnyPatch,
    ) -> None:
        super().__init__()
        with torch.device("meta"):  # no weights are drawn that are not kept
            encoder = _encoder(resolution, patch, min(image_channels, 3))
        self.encoder = encoder
        if trunk is not None:
            self.encoder.to_empty(device="cpu")
            load_torchvision_weights(self.encoder, trunk.weights, **_COLOURS)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Tokens after the last norm.

        Args:
            images: [B, C, H, W] in [-1, 1]. Not modified.

        Returns:
            [B, 1 + N, 768], float32: the class token, and the patches row by row.
        """
        tokens = self.encoder(on_background(images, None), twice_differentiable=False)
        with without_autocast(images.device):
            normalised: Tensor = self.encoder.norm(full_precision(tokens))
        return normalised


def _file(requested: str, named_by: NamedBy) -> Path:
    _, network, file = parted(requested)
    if not file:
        return Torchvision(named_by).find(network).path
    path = expand_home(Path(file))
    if not path.is_file():
        raise UserError(
            f"{named_by.setting}{requested} names no file, expected {_WANTED}. Check the path, or"
            f" {named_by.otherwise}."
        )
    return path


def _encoder(resolution: AnyResolution, patch: AnyPatch, image_channels: int) -> VisionEncoder:
    return VisionEncoder(
        image_size=Resolution.of(resolution),
        image_channels=image_channels,
        patch=patch,
        **PARTS,
        **SIZES,
        layer_scale=1.0,
        class_tokens=1,
        registers=0,
        patch_drop=0.0,
    )


def _expected(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """What a file must hold, without values: it may have been trained at any side."""
    with torch.device("meta"):
        expected = _encoder(224, PATCH, 3).state_dict()
    own = expected["position.table"]
    expected["position.table"] = positions_like(own, found.get("position.table", own))
    return expected
