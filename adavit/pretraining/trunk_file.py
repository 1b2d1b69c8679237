"""A pre-trained trunk as one safetensors file: weights, and the settings of the discriminator it is for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from adavit.errors import UserError
from adavit.files import write_bytes
from adavit.models.vit.discriminator import ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder


@dataclass(frozen=True)
class StoredTrunk:
    """A trunk with what its file says about it.

    Attributes:
        encoder: The trunk.
        arguments: Keyword arguments of the `ViTDiscriminator` it is the encoder of.
        config: The settings of its pre-training, by section.
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

    def state(self) -> dict[str, Tensor]:
        """The weights, by their names in the encoder."""
        return self.encoder.state_dict()


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
        config: The settings of its pre-training, by section.
        data_fingerprint: Digest of the images it was trained on.
        images: Images seen.
        figures: The last measurement.
    """
    metadata = {
        "adavit": version("adavit"),
        "discriminator": json.dumps(dict(arguments)),
        "config": json.dumps(dict(config)),
        "data_fingerprint": data_fingerprint,
        "images": str(images),
        "figures": json.dumps(dict(figures)),
    }
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in encoder.state_dict().items()
    }
    write_bytes(path, save(tensors, metadata=metadata))


def read_trunk(path: Path) -> StoredTrunk:
    """Reads a trunk file.

    Raises:
        UserError: If there is none, or it is damaged or not one of ours.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}
        arguments, config, figures = (
            json.loads(metadata[key]) for key in ("discriminator", "config", "figures")
        )
        images, fingerprint = int(metadata["images"]), metadata["data_fingerprint"]
        with torch.random.fork_rng(devices=[]):
            encoder = ViTDiscriminator(**arguments).encoder
        encoder.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"trunk file {str(path)!r} cannot be used ({reason}). Expected a .safetensors file that"
            " adavit pretrain has written; check --init-discriminator or copy the file again."
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
