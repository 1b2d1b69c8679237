"""`generate`: images of a trained generator, one file per seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.generation.grid import check_size, image_grid
from adavit.generation.grid_layout import GridLayout
from adavit.generation.output_folder import OutputFolder
from adavit.generation.provenance import before_training, described, refuse_inside_data
from adavit.generation.sampling import (
    NoiseOfSeeds,
    image_from_tensor,
    images_of_seeds,
    images_of_styles,
)
from adavit.generation.unstretching import Unstretching, as_drawn
from adavit.runs.generator_file import read_generator
from adavit.runtime.choices import check_choice
from adavit.runtime.console import Console, console_or_here
from adavit.runtime.devices import choose_device
from adavit.runtime.drawn_images import drawn_png
from adavit.runtime.paths import distinct_names, each_path, takes_paths
from adavit.runtime.pictures import result_png
from adavit.runtime.sides import Sides
from adavit.runtime.wording import counted
from adavit.styles.classes import LabelsOfSeeds, choose_class, class_label
from adavit.styles.numbers import DirectionStep, integers
from adavit.styles.requested_change import requested_change
from adavit.styles.styles_file import read_styles

GRID_NAME = "grid.png"
"""Of the picture of all images side by side."""


@takes_paths("source", "out", "styles")
def generate(
    source: Path | str,
    seeds: Sequence[int] | None,
    out: Path | str,
    *,
    styles: Path | str | Sequence[Path | str] = (),
    truncation: float = 1.0,
    truncation_centres: int | None = None,
    steps: Sequence[DirectionStep | str] = (),
    class_name: str | int | None = None,
    labels: LabelsOfSeeds | None = None,
    noise: NoiseOfSeeds = "seed",
    which: str | None = None,
    grid: GridLayout | tuple[int, int] | None = None,
    unstretch: bool = False,
    device: str = "auto",
    console: Console | None = None,
) -> list[Path]:
    """Writes `seed0000.png`, ..., images of styles and, if asked, `grid.png`.

    Examples:
        >>> adavit.generate("runs/00000-small_set-resnet-bgc", [3, 14], "drawn", truncation=0.8)
        [PosixPath('drawn/seed0003.png'), PosixPath('drawn/seed0014.png')]

    Args:
        source: A run directory or a generator file.
        seeds: Which images, each drawn once; a seed always gives the same one, but for rounding on another device. None
            for those of `styles` alone.
        out: Folder to write to; made if missing.
        styles: A file of styles, a folder of them, as `adavit project` writes them, or several of these: an image of
            each comes after those of the seeds, as `NAME.png`, with the fixed noise.
        truncation: 1 is none; smaller is nearer to the average, more alike and cleaner.
        truncation_centres: Truncate towards the nearest of so many centres of styles
            (`adavit.styles.centres`); None towards the one average.
        steps: Along directions that `adavit directions` has found, after truncation, as "FILE:NUMBER=AMOUNT".
        class_name: Class by name or number, for a conditional generator; None draws it by the seed.
        labels: How it is drawn then: "shares", as among the training images (None too), or "even", all alike; never
            a class without an image.
        noise: What the generator adds at each pixel: "seed", drawn by it; "fixed", the noise of its file; or "none".
        which: "best" or "last" generator of a run; None is the best.
        grid: Also write all images side by side, in so many columns and rows, or laid out so; None writes no grid.
        unstretch: Resize the images to the shape that those of the training had before `--fit stretch`.
        device: "auto", "cpu" or "cuda"; auto takes a GPU where there is one.
        console: Told what was written, of which generator, and what else lies there; None shows it at a terminal or
            in a notebook.

    Returns:
        The files written.

    Raises:
        UserError: If neither seeds nor styles are given; there is no such generator, class, direction or file of
            styles; the class had no training image; `unstretch` is asked of a generator whose images were not
            stretched; `labels` or `truncation_centres` says nothing here; the grid is too large; or the folder
            cannot be written or lies among the images that the generator was trained on.
    """
    check_choice("--noise", noise, get_args(NoiseOfSeeds))
    layout = GridLayout(*grid) if isinstance(grid, tuple) else grid
    # One that is named twice is one file.
    seeds = list(dict.fromkeys(() if seeds is None else integers(seeds)))
    with console_or_here(console) as console:
        stored = read_generator(source, which=which)
        choice = choose_class(stored, class_name, labels)
        named = read_styles(each_path(styles), stored, console)
        if not seeds and not named:
            raise UserError(
                "neither --seeds nor --styles is given. Name images, such as --seeds 0-31."
            )
        reshape = Unstretching.of(stored) if unstretch else as_drawn
        columns = None
        if layout is not None:
            count = len(seeds) + len(named)
            columns = min(layout.columns_of(count), count)
            blank = torch.zeros(1, *stored.generator.resolution, dtype=torch.uint8)
            sides = Sides(*reshape(blank).shape[1:])
            check_size(-(-count // columns), columns, sides, layout.scale)
        refuse_inside_data(Path(out), stored)
        generator = stored.generator.to(choose_device(device))
        change = requested_change(
            stored,
            choice,
            truncation=truncation,
            truncation_centres=truncation_centres,
            steps=steps,
            console=console,
        )
        folder = OutputFolder(Path(out))
        images, captions = [], []

        def keep(name: str, drawn: Tensor, caption: str) -> None:
            image = reshape(drawn)
            folder.write(
                f"{name}.png", drawn_png(image_from_tensor(image), generator.discriminator_saw)
            )
            if layout is not None:
                images.append(image)
                captions.append(caption)

        drawn = images_of_seeds(generator, seeds, choice=choice, change=change, noise=noise)
        for number, (seed, (image, index)) in enumerate(zip(seeds, drawn, strict=True), start=1):
            kind = "" if index is None else f" {class_label(stored, index)}"
            keep(f"seed{seed:04d}", image, f"{seed}{kind}")
            console.activity("image", number, len(seeds))
        w = [each.w for each in named]
        styled = images_of_styles(generator, w, change=change)
        others = [GRID_NAME, *(path.name for path in folder.written)]
        names = distinct_names(
            (each.name for each in named), taken=(Path(other).stem for other in others)
        )
        for name, image in zip(names, styled, strict=True):
            keep(name, image, name)
        told, what = [], counted(len(folder.written), "image", "images")
        if layout is not None and columns is not None and images:
            laid_out = image_grid(
                torch.stack(images),
                columns=columns,
                captions=captions if layout.captions else None,
                scale=layout.scale,
            )
            folder.write(GRID_NAME, result_png(laid_out))
            what += f" and {GRID_NAME}"
        elif folder.remove_result(GRID_NAME):
            told.append(
                f"Removed {folder.path / GRID_NAME}, which showed images of an earlier call."
            )
        for line in [folder.told(), *told, before_training(stored)]:
            if line:
                console.note(line)
        console.result(f"Wrote {what} to {out}: {described(stored)}.")
    return folder.written
