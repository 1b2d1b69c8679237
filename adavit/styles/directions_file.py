"""Directions as one safetensors file, which belongs to the generator that they were found in."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from adavit.errors import UserError, first_line
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.metadata import Metadata
from adavit.runs.weights_file import UNUSABLE, read_weights, write_tensors
from adavit.runtime.console import Console
from adavit.styles.belonging import BELONGS_TO, belongs_to
from adavit.styles.directions import Directions
from adavit.styles.numbers import DirectionStep


def save_directions(path: Path, directions: Directions) -> None:
    """Writes a file, atomically.

    Args:
        path: Ends in .safetensors.
        directions: What it will hold.
    """
    metadata = {
        "method": directions.method,
        "layers": json.dumps(list(directions.layers)),
        "style_count": str(directions.style_count),
        BELONGS_TO: directions.generator,
    }
    tensors = {"vectors": directions.vectors, "strengths": directions.strengths}
    write_tensors(path, tensors, metadata)


def read_directions(path: Path) -> Directions:
    """Reads a file.

    Raises:
        UserError: If it is missing, damaged, or not of this kind.
    """
    try:
        tensors, entries = read_weights(path)
        metadata = Metadata(entries)
        vectors, strengths = tensors["vectors"], tensors["strengths"]
        layers, style_count = metadata.value("layers"), metadata.count("style_count")
        method = metadata.text("method")
        if vectors.ndim != 2 or not len(vectors) or strengths.shape != vectors.shape[:1]:
            raise ValueError("its vectors are not directions")
        for numbers in (vectors, strengths):
            if not numbers.is_floating_point() or not bool(numbers.float().isfinite().all()):
                raise ValueError("it has numbers other than those of float32")
        if not isinstance(layers, list) or not all(
            type(each) is int and 0 <= each < style_count for each in layers
        ):
            raise ValueError("its layers are not those of a generator")
        if method not in ("sefa", "pca"):
            raise ValueError("it was made by another method")
        return Directions(
            vectors=vectors.float(),
            strengths=strengths.float(),
            method="pca" if method == "pca" else "sefa",
            layers=tuple(layers),
            style_count=style_count,
            generator=metadata.text(BELONGS_TO),
        )
    except UNUSABLE as error:
        raise UserError(
            f"directions {str(path)!r} cannot be used ({first_line(error)}). Expected a .safetensors file"
            " that adavit directions has written; check the path, or find them with adavit directions."
        ) from None


def fitting_directions(path: Path, stored: StoredGenerator, console: Console) -> Directions:
    """The directions of a file, for a generator that they can be used with.

    Args:
        path: The file.
        stored: The generator.
        console: Warned where they were found in another generator.

    Raises:
        UserError: As `read_directions`, or if styles of the generator have other sizes.
    """
    directions = read_directions(path)
    synthesis = stored.generator.synthesis
    theirs = directions.style_count, directions.vectors.shape[1]
    if theirs != (synthesis.style_count, synthesis.style_dim):
        raise UserError(
            f"directions {str(path)!r} are for {theirs[0]} layers of {theirs[1]} numbers, but generator"
            f" {str(stored.path)!r} has {synthesis.style_count} of {synthesis.style_dim}. Find its own with adavit"
            " directions."
        )
    if not belongs_to(directions.generator, stored):
        console.note(
            f"Warning: {path} was found in another generator than {stored.path}; there it may mean nothing."
        )
    return directions


def offset_of(
    steps: Sequence[DirectionStep], stored: StoredGenerator, console: Console
) -> Tensor | None:
    """What steps along directions add to the styles of each layer.

    Args:
        steps: Their sum is taken.
        stored: The generator.
        console: As `fitting_directions`.

    Returns:
        [style_count, W], or None without a step.

    Raises:
        UserError: As `fitting_directions`, or if a file has no such direction.
    """
    files = {
        file: fitting_directions(file, stored, console)
        for file in dict.fromkeys(step.file for step in steps)
    }
    offsets = []
    for step in steps:
        try:
            offsets.append(files[step.file].offset(step.number, step.amount))
        except IndexError:
            last = len(files[step.file].vectors) - 1
            raise UserError(
                f"--direction asks for number {step.number} of {str(step.file)!r}, but it has 0 to {last}. Name"
                " one of these."
            ) from None
    return torch.stack(offsets).sum(dim=0) if offsets else None
