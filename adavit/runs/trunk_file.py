"""A pre-trained trunk as one safetensors file: weights, and the settings of the discriminator it is for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from adavit.errors import UserError, first_line
from adavit.models.fitting import resize_position_embeddings, unflatten_other_patches
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder
from adavit.runs.metadata import Metadata
from adavit.runs.shared_names import shared_config
from adavit.runs.stored_network import build_stored
from adavit.runs.weights_file import UNUSABLE, read_weights, write_weights


@dataclass(frozen=True)
class StoredTrunk:
    """A trunk with what its file says about it.

    Attributes:
        encoder: The trunk.
        arguments: Keyword arguments of the `ViTDiscriminator` it is the encoder of.
        config: The settings of its pre-training, by section; of paths the names alone are written.
        data_fingerprint: Digest of the images it was trained on.
        images: Images seen.
        figures: The last measurement, see `adavit.pretraining.measure`.
        path: The file.
    """

    encoder: VisionEncoder
    arguments: dict[str, Any]
    config: dict[str, Any]
    data_fingerprint: str
    images: int
    figures: dict[str, Any]
    path: Path

    @property
    def seen(self) -> tuple[str, ...]:
        """Networks trained on other images that it is of: none. What it has learnt is `data_fingerprint`."""
        return ()

    def state(self) -> dict[str, Tensor]:
        """The weights, by their names in the encoder."""
        return self.encoder.state_dict()

    def fitted_to(self, encoder: VisionEncoder) -> dict[str, Tensor]:
        """The weights with learned positions for the grid of another encoder, where it has such too."""
        layout = self.encoder.layout
        state = unflatten_other_patches(self.state(), encoder, patch=self.encoder.patch)
        return resize_position_embeddings(state, encoder, grid=(layout.rows, layout.columns))


def save_trunk(
    path: Path,
    encoder: VisionEncoder,
    *,
    arguments: Mapping[str, Any],
    config: Mapping[str, Any],
    data_fingerprint: str,
    images: int,
    figures: Mapping[str, Any],
) -> None:
    """Writes a trunk file, atomically.

    Args:
        path: Ends in .safetensors.
        encoder: The trunk.
        arguments: Keyword arguments of the `ViTDiscriminator` it is the encoder of.
        config: The settings of its pre-training, by section; of paths the names alone are written.
        data_fingerprint: Digest of the images it was trained on.
        images: Images seen.
        figures: The last measurement.
    """
    metadata = {
        "discriminator": json.dumps(dict(arguments)),
        "config": json.dumps(shared_config(config)),
        "data_fingerprint": data_fingerprint,
        "images": str(images),
        "figures": json.dumps(dict(figures)),
    }
    write_weights(path, encoder, metadata)


def read_trunk(path: Path) -> StoredTrunk:
    """Reads a trunk file.

    Raises:
        UserError: If there is none, or it is damaged or not one of ours.
    """
    try:
        tensors, entries = read_weights(path)
        metadata = Metadata(entries)
        arguments = metadata.object("discriminator")
        config, figures = metadata.object("config"), metadata.object("figures")
        images, fingerprint = metadata.count("images"), metadata.text("data_fingerprint")
        encoder = build_stored(
            lambda: ViTDiscriminator(**arguments), tensors, lambda network: network.encoder
        ).encoder
    except UNUSABLE as error:
        raise UserError(
            f"trunk file {str(path)!r} cannot be used ({first_line(error)}). Expected a"
            " .safetensors file that adavit pretrain has written; check --init-discriminator (which"
            " also takes torchvision:vit_b_16) or copy the file again."
        ) from None
    return StoredTrunk(
        encoder=encoder,
        arguments=arguments,
        config=config,
        data_fingerprint=fingerprint,
        images=images,
        figures=figures,
        path=path,
    )
