"""`generate`: images of a trained generator, one file per seed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from adavit.data.files.members import normal, printable
from adavit.errors import UserError
from adavit.generation.grid import image_grid
from adavit.generation.grid_layout import GridLayout
from adavit.generation.output_folder import OutputFolder
from adavit.generation.sampling import NoiseOfSeeds, image_from_tensor, images_of_seeds, png_bytes
from adavit.generation.seeds import whole_number
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator, read_generator
from adavit.runtime.console import Console
from adavit.runtime.devices import choose_device
from adavit.runtime.paths import takes_paths
from adavit.runtime.pictures import result_png
from adavit.runtime.wording import counted

GRID_NAME = "grid.png"
"""Of the picture of all images side by side."""


@takes_paths("source", "out")
def generate(
    source: str,
    seeds: Sequence[int],
    out: Path,
    *,
    truncation: float = 1.0,
    class_name: str | None = None,
    labels: Literal["shares", "even"] | None = None,
    noise: NoiseOfSeeds = "seed",
    which: str | None = None,
    grid: GridLayout | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> list[Path]:
    """Writes `seed0000.png`, ... and, if asked, `grid.png`.

    Args:
        source: A run directory or a generator file.
        seeds: Which images; a seed always gives the same one, but for rounding on another device.
        out: Folder to write to; made if missing.
        truncation: 1 is none; smaller is nearer to the average, more alike and cleaner.
        class_name: Class by name or number, for a conditional generator; None draws it by the seed.
        labels: How it is drawn then: in the shares of the training images (None too), or all alike; never
            a class without an image.
        noise: What the generator adds at each pixel: drawn by the seed, the fixed noise of its file, or none.
        which: "best" or "last" generator of a run; None is the best.
        grid: Also write all images side by side, laid out so; None writes no grid.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told what was written, of which generator, and what else lies there; None says nothing.

    Returns:
        The files written.

    Raises:
        UserError: If there is no such generator or class, the class had no training image, `labels` says
            nothing here, or the folder cannot be written or lies among the images that the generator
            was trained on.
    """
    stored = read_generator(source, which=which)
    if labels is not None and (class_name is not None or not stored.generator.num_classes):
        why = (
            "its generator has no classes" if class_name is None else "--class names the one class"
        )
        raise UserError(
            f"--labels is {labels!r}, but {why}, so that none is drawn. Leave --labels out."
        )
    class_index = None if class_name is None else find_class(stored, class_name)
    columns = None if grid is None else grid.columns_of(len(seeds))
    _refuse_inside_data(out, stored)
    folder = OutputFolder(out)
    generator = stored.generator.to(choose_device(device))
    images, captions = [], []
    drawn = images_of_seeds(
        generator,
        seeds,
        class_index=class_index,
        class_weights=_class_weights(stored, labels),
        truncation=truncation,
        noise=noise,
    )
    for seed, (image, index) in zip(seeds, drawn, strict=True):
        folder.write(f"seed{seed:04d}.png", png_bytes(image_from_tensor(image)))
        if grid is not None:
            images.append(image)
            captions.append(str(seed) if index is None else f"{seed} {_name_of(stored, index)}")
    told = [folder.told()]
    what = counted(len(folder.written), "image", "images")
    if grid is not None and columns is not None and images:
        laid_out = image_grid(
            torch.stack(images),
            columns=columns,
            captions=captions if grid.captions else None,
            scale=grid.scale,
        )
        folder.write(GRID_NAME, result_png(laid_out))
        what += f" and {GRID_NAME}"
    elif folder.remove_result(GRID_NAME):
        told.append(f"Removed {out / GRID_NAME}, which showed images of an earlier call.")
    if console is not None:
        for line in [*told, _untrained(stored)]:
            if line:
                console.note(line)
        console.result(f"Wrote {what} to {out}: {_described(stored)}.")
    return folder.written


def _described(stored: StoredGenerator) -> str:
    run = RunDirectory(stored.path.parent)
    names = {
        run.best_generator: "the best generator of the run",
        run.last_generator: "the last generator of the run",
    }
    return f"{names.get(stored.path, stored.path)}, of {stored.images / 1000:g} kimg"


def _untrained(stored: StoredGenerator) -> str:
    """A warning where a generator draws as it was initialised; else ""."""
    if stored.images:
        return ""
    run = RunDirectory(stored.path.parent)
    best = stored.path == run.best_generator and run.last_generator.exists()
    last = " --which last draws the last one of the run." if best else ""
    return f"Warning: this generator is untrained; train longer for a better one.{last}"


def _refuse_inside_data(out: Path, stored: StoredGenerator) -> None:
    """Generated images look like any others: beside the real ones they would be trained on."""
    given = stored.config.get("data", {}).get("source")
    source = Path(str(given))
    if given and source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise UserError(
            f"--out {str(out)!r} lies in the data {str(source)!r} of the run, where generated images would be"
            " trained on. Choose a folder outside of it."
        )


def _name_of(stored: StoredGenerator, index: int) -> str:
    return stored.classes[index] if index < len(stored.classes) else str(index)


def _class_weights(stored: StoredGenerator, labels: str | None) -> list[float] | None:
    if not stored.generator.num_classes:
        return None
    counts = stored.label_counts or [1] * stored.generator.num_classes
    return [float(count > 0 if labels == "even" else count) for count in counts]


def find_class(stored: StoredGenerator, name: str) -> int:
    """Number of a class given by its name or its number.

    Raises:
        UserError: If the generator has no classes, no such one, or was trained on no image of it.
    """
    if not stored.generator.num_classes:
        raise UserError(
            f"--class is {name!r}, but {str(stored.path)!r} was trained without classes. Leave"
            " --class out."
        )
    names = [normal(each) for each in stored.classes]
    number = names.index(normal(name)) if normal(name) in names else whole_number(name)
    if number is None or number >= stored.generator.num_classes:
        raise UserError(
            f"--class is {printable(name)!r}, expected one of: {printable(', '.join(stored.classes))}, or a number"
            f" below {stored.generator.num_classes}. Name one of these."
        )
    if stored.label_counts and not stored.label_counts[number]:
        trained = [_name_of(stored, i) for i, count in enumerate(stored.label_counts) if count]
        raise UserError(
            f"--class is {printable(name)!r}, but no image of it was among those trained on, expected one of:"
            f" {printable(', '.join(trained))}. Name one of these."
        )
    return number
