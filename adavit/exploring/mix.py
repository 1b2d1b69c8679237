"""`mix`: a sheet of images that have some layers' styles from one seed and the rest from another."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from adavit.exploring.explorer import Explorer, mixed
from adavit.exploring.sheet import labelled_sheet
from adavit.generation.grid import check_size
from adavit.generation.provenance import before_training, described, refuse_inside_data
from adavit.generation.sampling import NoiseOfSeeds, images_of_seeds
from adavit.runtime.choices import check_choice, check_some
from adavit.runtime.console import Console, console_or_here
from adavit.runtime.files import make_folder, write_bytes
from adavit.runtime.paths import check_png, takes_paths
from adavit.runtime.pictures import result_png
from adavit.styles.classes import LabelsOfSeeds, class_label
from adavit.styles.directions import check_layers
from adavit.styles.numbers import integers
from adavit.styles.requested_change import requested_change


@takes_paths("source", "out")
def mix(
    source: Path | str,
    rows: Sequence[int],
    columns: Sequence[int],
    layers: Sequence[int],
    out: Path | str = "mix.png",
    *,
    truncation: float = 1.0,
    class_name: str | int | None = None,
    labels: LabelsOfSeeds | None = None,
    noise: NoiseOfSeeds = "seed",
    scale: int | None = None,
    which: str | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> Path:
    """Writes a style-mixing sheet as PNG (Karras et al. 2019, arXiv:1812.04948, figure 3).

    The first row and the first column show the seeds themselves, as `generate` draws them. Every other image has the
    styles of `layers` from the seed of its column, of the class of that seed; its other styles and its noise are those
    of its row.

    Examples:
        >>> adavit.mix("runs/00000-small_set-resnet-bgc", range(1, 7), range(10, 16), range(4), "mix.png")
        PosixPath('mix.png')

    Args:
        source: A run directory or a generator file.
        rows: Seeds of the rows.
        columns: Seeds of the columns.
        layers: Numbers of the layers whose styles come from the column: from 0, of 4 px, to the last, of details.
        out: The file.
        truncation: 1 is none; smaller is nearer to the average.
        class_name: Class by name or number, for a conditional generator; None draws it by the seed.
        labels: How it is drawn then; see `adavit.styles.classes.choose_class`.
        noise: As in `generate`.
        scale: How many pixels each becomes in both directions; None enlarges small images.
        which: "best" or "last" generator of a run; None is the best.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told what was written; None shows it at a terminal or in a notebook.

    Returns:
        The file.

    Raises:
        UserError: If there is no such generator, class or layer, the sheet is too large, its folder cannot be made,
            or its name does not end in .png.
    """
    path = Path(out)
    check_png(path)
    check_choice("--noise", noise, get_args(NoiseOfSeeds))
    rows, columns = integers(rows), integers(columns)
    check_some("--rows", rows, "0-3")
    check_some("--columns", columns, "4-7")
    with console_or_here(console) as console:
        explorer = Explorer.open(
            source, which=which, class_name=class_name, labels=labels, device=device
        )
        stored, generator = explorer.stored, explorer.generator
        layers = check_layers(layers, generator)
        check_size(1 + len(rows), 1 + len(columns), generator.resolution, scale)
        refuse_inside_data(path, stored)
        make_folder(path.parent)
        change = requested_change(stored, explorer.choice, truncation=truncation, console=console)
        names, heads = [], []
        seeds = [*columns, *rows]
        drawn = images_of_seeds(
            generator, seeds, choice=explorer.choice, change=change, noise=noise
        )
        for number, (seed, (image, index)) in enumerate(zip(seeds, drawn, strict=True), start=1):
            heads.append(image)
            names.append(str(seed) if index is None else f"{seed} {class_label(stored, index)}")
            console.activity("seed", number, len(seeds))
        above, beside = heads[: len(columns)], heads[len(columns) :]
        of_rows, of_columns = explorer.styles(rows, change), explorer.styles(columns, change)
        images = [torch.zeros_like(heads[0]), *above]
        for number, seed in enumerate(rows):
            w = mixed(of_rows[number], of_columns, layers)
            pixels = [seed] * len(columns) if noise == "seed" else None
            images += [beside[number], *explorer.images(w, noise_seeds=pixels)]
            console.activity("row", number + 1, len(rows))
        sheet = labelled_sheet(
            torch.stack(images),
            rows=["", *names[len(columns) :]],
            columns=["", *names[: len(columns)]],
            scale=scale,
        )
        write_bytes(path, result_png(sheet))
        if before_training(stored):
            console.note(before_training(stored))
        console.result(
            f"Wrote {path}, {len(rows)} rows and {len(columns)} columns, {sheet.width}x{sheet.height} px:"
            f" {described(stored)}."
        )
    return path
