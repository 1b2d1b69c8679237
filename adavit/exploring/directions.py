"""`directions`: finds directions in the styles of a generator, and shows what they change."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from adavit.errors import UserError
from adavit.exploring.explorer import Explorer
from adavit.exploring.sheet import labelled_sheet
from adavit.generation.grid import check_size
from adavit.generation.provenance import before_training, described, refuse_inside_data
from adavit.runtime.choices import check_choice, check_some
from adavit.runtime.console import Console, console_or_here
from adavit.runtime.files import make_folder, write_bytes
from adavit.runtime.paths import takes_paths
from adavit.runtime.pictures import result_png
from adavit.styles.classes import LabelsOfSeeds
from adavit.styles.directions import Method, find_directions
from adavit.styles.directions_file import save_directions
from adavit.styles.numbers import integers
from adavit.styles.requested_change import requested_change

FILE_NAME, STRIPS_NAME = "directions.safetensors", "strips.png"


@takes_paths("source", "out")
def directions(
    source: Path | str,
    out: Path | str = "directions",
    *,
    method: Method = "sefa",
    layers: Sequence[int] | None = None,
    count: int = 8,
    seeds: Sequence[int] = (0,),
    reach: float = 3.0,
    images: int = 7,
    truncation: float = 1.0,
    class_name: str | int | None = None,
    labels: LabelsOfSeeds | None = None,
    scale: int | None = None,
    which: str | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> list[Path]:
    """Writes `directions.safetensors`, and `strips.png` with a strip of images along each.

    Examples:
        >>> adavit.directions("runs/00000-small_set-resnet-bgc", "directions", method="pca")
        [PosixPath('directions/directions.safetensors'), PosixPath('directions/strips.png')]

    Args:
        source: A run directory or a generator file.
        out: Folder to write to; made if missing.
        method: "sefa" (arXiv:2007.06600) takes what changes the weights' response most, "pca" of styles
            (GANSpace, arXiv:2004.02546) along what they vary most.
        layers: Numbers of the layers that move, for SeFa also those that are looked at; None is all.
        count: How many directions, strongest first.
        seeds: Whose images are moved; a strip of each for each direction.
        reach: How far the strips go to either side, in standard deviations of styles along the direction.
        images: In a strip, >= 2.
        truncation: Of the images that are moved; 1 is none.
        class_name: Class by name or number, for a conditional generator; None draws it by the seed.
        labels: How it is drawn then; see `adavit.styles.classes.choose_class`.
        scale: How many pixels each becomes in both directions; None enlarges small images.
        which: "best" or "last" generator of a run; None is the best.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told what was written; None shows it at a terminal or in a notebook.

    Returns:
        The two files.

    Raises:
        UserError: If there is no such generator, class or layer, there are not so many directions, the strips are
            too large or of too few images, or the folder cannot be made.
    """
    folder = Path(out)
    if images < 2:
        raise UserError(f"--images is {images}, expected at least 2 in a strip. Try 7.")
    check_choice("--method", method, get_args(Method))
    seeds = integers(seeds)
    check_some("--seeds", seeds, "0-3")
    if layers is not None:
        check_some("--layers", layers, "0-3")
    if not math.isfinite(reach):
        raise UserError(
            f"--reach is {reach}, expected a number of standard deviations. Correct it."
        )
    with console_or_here(console) as console:
        explorer = Explorer.open(
            source, which=which, class_name=class_name, labels=labels, device=device
        )
        stored, generator = explorer.stored, explorer.generator
        found = find_directions(
            generator, method=method, layers=layers, count=count, choice=explorer.choice
        )
        fewer = "Lower --count or --images, or name fewer --seeds"
        check_size(count * len(seeds), images, generator.resolution, scale, fewer=fewer)
        refuse_inside_data(folder, stored)
        change = requested_change(stored, explorer.choice, truncation=truncation, console=console)
        w = explorer.styles(seeds, change)
        amounts = torch.linspace(-reach, reach, images).tolist()
        strips, names = [], []
        for number in range(count):
            steps = torch.stack([found.offset(number, amount) for amount in amounts])
            for seed, start in zip(seeds, w, strict=True):
                strips.append(explorer.images(start + steps.to(start)))
                names.append(f"{number}" if len(seeds) == 1 else f"{number}, seed {seed}")
            console.activity("direction", number + 1, count)
        columns = [f"{amount:+.2g}" if abs(amount) > 1e-6 else "0" for amount in amounts]
        sheet = labelled_sheet(torch.cat(strips), rows=names, columns=columns, scale=scale)
        make_folder(folder)
        written = [folder / FILE_NAME, folder / STRIPS_NAME]
        save_directions(written[0], found)
        write_bytes(written[1], result_png(sheet))
        if before_training(stored):
            console.note(before_training(stored))
        console.result(
            f"Wrote {FILE_NAME} and {STRIPS_NAME} in {folder}: {count} directions by {method}, 0 to"
            f" {count - 1}, of {described(stored)}."
        )
    return written
