"""`project`: images of one's own in a trained generator, with the files that are made of each."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import torch

from adavit.errors import UserError
from adavit.generation.output_folder import OutputFolder
from adavit.generation.provenance import refuse_inside_data
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.projection.choice import check_features, choose_distance
from adavit.projection.distance import Distance
from adavit.projection.pictures import sheet
from adavit.projection.results import (
    DIGITS,
    LATENT,
    TUNED,
    ProjectedImage,
    ProjectionWriter,
    refuse_over_others,
)
from adavit.projection.search import Space, search_in_parts
from adavit.projection.styles import style_cloud
from adavit.projection.targets import read_targets
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import read_generator
from adavit.runtime.choices import check_choice
from adavit.runtime.console import Console, console_or_here
from adavit.runtime.devices import choose_device
from adavit.runtime.files import write_bytes, write_json
from adavit.runtime.paths import quoted, takes_paths
from adavit.runtime.pictures import result_png
from adavit.runtime.wording import counted, listed
from adavit.styles.classes import choose_class
from adavit.styles.seeds import DRAWS

RECORD, SHEET = "projections.json", "projections.png"


@takes_paths("source", "target", "out")
def project(
    source: Path | str,
    target: Path | str,
    *,
    out: Path | str | None = None,
    steps: int = 1000,
    space: Space = "w",
    tune: int = 0,
    features: str | None = None,
    features_mean: Sequence[float] | None = None,
    features_std: Sequence[float] | None = None,
    class_name: str | int | None = None,
    which: str | None = None,
    seed: int = 0,
    device: str = "auto",
    console: Console | None = None,
) -> list[ProjectedImage]:
    """Finds the styles with which a generator comes nearest to images, and writes what it draws of them.

    For each image a folder with w.safetensors (styles `w` of each layer), image.png, compared.png and way.gif, and
    with `tune` generator-tuned.safetensors; for all of them projections.json, and of several projections.png. On a
    CPU the same call gives the same bits.

    Examples:
        >>> (found,) = adavit.project("runs/00000-small_set-resnet-bgc", "photo.jpg")
        >>> images = adavit.load_generator("runs/00000-small_set-resnet-bgc").synthesis(found.w[None])

    Args:
        source: A run directory or a generator file.
        target: An image file, a folder or zip of them, or a set known by name; read as the images of the run.
        out: Folder to write to; None is `projections` in the run directory.
        steps: Of the search, at least 1.
        space: "w" searches one style for all layers, "w+" one for each.
        tune: Steps by which a copy of the generator is then trained to draw each image; 0 trains none.
        features: Network by which images are compared, as `adavit.projection.choice.choose_distance` takes it.
        features_mean: Colour that is 0 to that network, as its `mean`.
        features_std: What is 1 to it, as its `std`.
        class_name: Class by name or number at whose mean style the search begins; None takes the mean of all.
        which: "best" or "last" generator of a run; None is the best.
        seed: Start of the random streams.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told how it goes; None shows a bar at a terminal or in a notebook.

    Returns:
        What was found, in the order of the images.

    Raises:
        UserError: If there is no such generator, class or network, no image can be read, or the folder cannot be
            written, lies among the images, or holds what was found of another image of one's name.
    """
    source, target = str(source), str(target)
    check_features(features, features_mean, features_std)
    check_choice("--space", space, get_args(Space))
    if steps < 1 or tune < 0:
        raise UserError(
            f"--steps is {steps} and --tune {tune}, expected at least 1 step, and 0 or more to tune. Correct them."
        )
    with console_or_here(console) as console:
        stored = read_generator(source, which=which)
        choice = choose_class(stored, class_name)
        folder = _folder(source, out)
        _refuse_beside_targets(folder, target)
        refuse_inside_data(folder, stored)
        targets = read_targets(target, stored, console)
        _refuse_among_targets(folder, target, targets.stems)
        refuse_over_others(folder, targets)
        chosen = choose_device(device)
        distance = choose_distance(
            stored,
            features,
            mean=features_mean,
            std=features_std,
            device=chosen,
            console=console,
        )
        output = OutputFolder(folder)
        begun = time.monotonic()
        generator = stored.generator.to(chosen)
        cloud = style_cloud(generator, choice, seed=seed)
        writer = ProjectionWriter(
            folder, stored, targets, distance, tuning_steps=tune, console=console
        )
        for part, found, film in search_in_parts(
            generator,
            targets.images,
            distance,
            cloud,
            steps=steps,
            space=space,
            seed=seed,
            console=console,
        ):
            writer.write(part, found, film)
        record = {
            "source": source,
            "generator": stored.path.name,
            "fingerprint": tensors_digest(stored.generator.state_dict()),
            "images_seen": stored.images,
            "target": target,
            "class": class_name,
            "distance": distance.described(),
            "space": space,
            "steps": steps,
            "styles_drawn": DRAWS,
            "style_spread": round(cloud.spread, DIGITS),
            "tuning_steps": tune,
            "seed": seed,
            "device": chosen.type,
            "seconds": round(time.monotonic() - begun, 1),
            "projections": [each.described() for each in writer.done],
        }
        if len(writer.done) > 1:
            drawn = torch.stack([each.image for each in writer.done])
            write_bytes(folder / SHEET, result_png(sheet(targets.images, drawn)))
        elif output.remove_result(SHEET):
            console.note(f"Removed {folder / SHEET}, which showed images of an earlier call.")
        write_json(folder / RECORD, record)
        if others := _others(folder, writer.done):
            stay = counted(
                len(others), "folder of an earlier call stays", "folders of earlier calls stay"
            )
            console.note(
                f"In {folder} {stay} ({listed(others)}), which adavit generate --styles"
                f" {quoted(str(folder))} draws too."
            )
        if stale := [each.folder.name for each in writer.done if each.has_other_tuned]:
            console.note(
                f"In {folder} {TUNED} of an earlier call stays in {listed(stale)}: it was tuned to other styles than"
                " those beside it now."
            )
        console.result(_told(writer.done, distance))
        images = counted(len(writer.done), "image", "images")
        console.result(f"Wrote {RECORD}, and a folder for each of {images}, to {folder}.")
        return writer.done


def _others(folder: Path, done: Sequence[ProjectedImage]) -> list[str]:
    """Names of folders with styles that were not written now."""
    there = {path.parent.name for path in folder.glob(f"*/{LATENT}")}
    return sorted(there - {each.folder.name for each in done})


def _told(done: Sequence[ProjectedImage], distance: Distance) -> str:
    """How near the images were come to, in a sentence."""
    start = sum(each.start for each in done) / len(done)
    end = sum(each.end for each in done) / len(done)
    tuned = [each.tuned for each in done if each.tuned is not None]
    then = f", {sum(tuned) / len(tuned):.3f} once tuned" if tuned else ""
    mean = f" (mean of {len(done)})" if len(done) > 1 else ""
    return (
        f"Distance {start:.3f} at the mean style, {end:.3f} at the styles found{then}{mean}; by"
        f" {' and '.join(kind.name for kind in distance.kinds)}."
    )


def _folder(source: str, out: Path | str | None) -> Path:
    if out is not None:
        return Path(out)
    run = RunDirectory(Path(source))
    if not run.is_run():
        raise UserError(
            f"{source!r} is not a run directory, where the results would go; expected a folder for"
            " them. Give --out, or name the run."
        )
    return run.projections


def _refuse_beside_targets(folder: Path, target: str) -> None:
    """What is written must neither replace a target nor be one the next time."""
    path, place = Path(target), folder.resolve()
    if path.is_dir() and place.is_relative_to(path.resolve()):
        raise UserError(
            f"--out {str(folder)!r} lies in --target {target!r}, where what is drawn would be taken for targets the"
            " next time. Choose a folder outside of it."
        )
    if path.is_file() and path.resolve().parent == place:
        raise UserError(
            f"--out {str(folder)!r} has --target {target!r} in it, beside which what is drawn would be taken for one"
            " of its kind. Choose another folder."
        )


def _refuse_among_targets(folder: Path, target: str, stems: Sequence[str]) -> None:
    """The same where a folder that an image's results are written to is the one that the target lies in."""
    path = Path(target)
    own = [path.resolve()] if path.is_dir() else [path.parent.resolve(), path.resolve().parent]
    for stem in stems:
        if path.exists() and (folder / stem).resolve() in own:
            raise UserError(
                f"--out {str(folder)!r} gives the image {stem!r} the folder of --target {target!r}, where what is drawn"
                " would replace targets or be taken for one. Choose another folder."
            )
