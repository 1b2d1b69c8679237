"""A convolutional discriminator as one safetensors file: weights, arguments of its class, and where it is from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.errors import UserError, first_line
from adavit.models import ResNetDiscriminator
from adavit.runs.metadata import Metadata
from adavit.runs.stored_network import build_stored
from adavit.runs.weights_file import UNUSABLE, read_weights, write_weights


@dataclass(frozen=True)
class StoredDiscriminator:
    """A discriminator with what its file says about it.

    Attributes:
        discriminator: In evaluation mode, without gradients.
        arguments: Keyword arguments that built it.
        origin: Name and digest of the file that it was imported from.
    """

    discriminator: ResNetDiscriminator
    arguments: dict[str, Any]
    origin: str


def save_discriminator(
    path: Path, discriminator: ResNetDiscriminator, *, arguments: Mapping[str, Any], origin: str
) -> None:
    """Writes a discriminator file, atomically.

    Args:
        path: Ends in .safetensors.
        discriminator: Not changed.
        arguments: Keyword arguments that built it.
        origin: As in `StoredDiscriminator`.
    """
    metadata = {"discriminator": json.dumps(dict(arguments)), "origin": origin}
    write_weights(path, discriminator, metadata)


def read_discriminator(path: Path) -> StoredDiscriminator:
    """Reads a discriminator file.

    Raises:
        UserError: If it cannot be read, is damaged, or not one of ours.
    """
    try:
        tensors, entries = read_weights(path)
        metadata = Metadata(entries)
        arguments, origin = metadata.object("discriminator"), metadata.text("origin")
        discriminator = build_stored(lambda: ResNetDiscriminator(**arguments), tensors)
    except UNUSABLE as error:
        raise UserError(
            f"discriminator file {str(path)!r} cannot be used ({first_line(error)}). Expected a .safetensors file"
            " that adavit import has written; import it once more."
        ) from None
    return StoredDiscriminator(discriminator.eval().requires_grad_(False), arguments, origin)
