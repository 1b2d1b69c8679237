"""The images that are looked for in a generator, read as its run read its own."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from adavit.data.assemble import converted_blocks, decode_all, decoding_threads, white_of
from adavit.data.dataset import safe_name
from adavit.data.files.collection import SourceImage, open_image_file
from adavit.data.files.fit import FITS
from adavit.data.files.formats import READ_FORMATS
from adavit.data.files.members import Skipped, printable
from adavit.data.image_buffer import ImageBuffer
from adavit.data.reading import DEFAULT_READING, Reading
from adavit.errors import UserError
from adavit.evaluation.run_images import images_like, reading_of
from adavit.evaluation.sources import config_of
from adavit.models import Generator
from adavit.runs.generator_file import StoredGenerator
from adavit.runtime.console import Console
from adavit.runtime.paths import distinct_names
from adavit.runtime.wording import counted, listed


@dataclass(frozen=True)
class Targets:
    """Images in the size and the channels that a generator draws.

    Attributes:
        images: uint8 [N, C, R, R], on the CPU.
        names: Of each: its file, or a number where there is none.
        stems: What the files for each begin with: letters and digits of its name, no two alike.
    """

    images: Tensor
    names: tuple[str, ...]
    stems: tuple[str, ...]


def read_targets(source: str, stored: StoredGenerator, console: Console) -> Targets:
    """Reads the image of a file, or those of a folder, a zip or a set known by name.

    Args:
        source: As the user named it.
        stored: Decides size, channels, and how files are read.
        console: Told what takes time and which files are left out.

    Raises:
        UserError: If there is no image that can be read.
    """
    reading = _reading(stored)
    path = Path(source)
    if path.is_file() and path.suffix.lower() != ".zip":
        return _read_file(path, stored.generator, reading, console)
    images = images_like(
        stored.generator,
        source,
        "--target",
        data_root=None,
        activity=console.activity,
        reading=reading,
    )
    _tell_left_out(images.skipped, console)
    names = images.names or tuple(f"{index:05d}" for index in range(len(images)))
    return Targets(torch.from_numpy(images.images.copy()), names, _stems(names))


def _reading(stored: StoredGenerator) -> Reading:
    try:
        return reading_of(config_of(stored))
    except UserError:  # without settings of a whole run nothing says how its images were read
        return DEFAULT_READING


def _read_file(path: Path, generator: Generator, reading: Reading, console: Console) -> Targets:
    """As `load_images` would read a folder with this file alone."""
    sources = [SourceImage(path.name, functools.partial(open_image_file, path))]
    size = generator.resolution
    with decoding_threads() as threads, ImageBuffer((4, *size), None) as buffer:
        fit = FITS[reading.fit]
        white = white_of(reading, sources, threads, resolution=size, fit=fit)
        found = decode_all(
            sources, buffer, threads, None, frames=reading.frames, white=white, fit=fit
        )
        if not found.kept:
            raise UserError(
                f"--target {printable(str(path))!r} {found.skipped[0].reason}, but must be an image ({READ_FORMATS}),"
                " or a folder or zip of them. Name another file, or save this one anew."
            )
        blocks = list(converted_blocks(buffer, generator.image_channels, found.inside))
    _tell_left_out(found.skipped, console)
    return Targets(
        torch.from_numpy(np.concatenate(blocks)), tuple(found.names), _stems(found.names)
    )


def _tell_left_out(skipped: Sequence[Skipped], console: Console) -> None:
    if skipped:
        files = counted(len(skipped), "file is", "files are")
        which = listed(f"{each.name} ({each.reason})" for each in skipped)
        console.note(f"Warning: {files} left out of --target: {which}.")


def _stems(names: Sequence[str]) -> tuple[str, ...]:
    """Names as parts of file names; those that would be the same file, on disks without capitals too, are numbered."""
    plain = (safe_name(str(Path(name).with_suffix("")).replace("/", "-")) for name in names)
    return tuple(distinct_names(plain))
