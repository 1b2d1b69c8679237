"""What was found for an image, and the files that are made of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from adavit.data import images_to_float
from adavit.errors import UserError
from adavit.generation.sampling import drawn_bytes, image_from_tensor
from adavit.metrics import as_rgb
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.models import Generator
from adavit.projection.distance import Distance
from adavit.projection.pictures import WayFilm, side_by_side
from adavit.projection.search import FoundStyles
from adavit.projection.targets import Targets
from adavit.projection.tuning import tuned_generator
from adavit.runs.generator_file import TUNED_TO, StoredGenerator, save_tuned
from adavit.runs.reading import read_weights_metadata
from adavit.runs.weights_file import UNUSABLE, read_weights
from adavit.runtime.console import Console
from adavit.runtime.drawn_images import drawn_png
from adavit.runtime.files import make_folder, write_bytes
from adavit.runtime.pictures import result_png
from adavit.styles.belonging import styles_digest
from adavit.styles.styles_file import ENDING, styles_content

DIGITS = 6
LATENT, IMAGE, COMPARED, FILM = ENDING, "image.png", "compared.png", "way.gif"
TARGET_DIGEST = "target_digest"
"""Entry of styles by which it is known of which image they are, whatever its file is called."""
TUNED = "generator-tuned.safetensors"


@dataclass(frozen=True)
class ProjectedImage:
    """What was found for one image.

    Attributes:
        target: Its name.
        w: Styles of each layer [L, W], for `generator.synthesis(w[None])`.
        image: What the generator draws of them, uint8 [C, R, R]; the tuned one, if it was tuned.
        start: Distance of the image of the mean style to the target.
        end: Distance of the image of `w`.
        tuned: Distance after tuning; None without.
        pixel_rms: Root mean square difference of `image` to the target, in grey levels; of RGBA on black.
        folder: Where its files are.
        has_other_tuned: Whether a generator lies there that an earlier call has tuned to other styles.
    """

    target: str
    w: Tensor
    image: Tensor
    start: float
    end: float
    tuned: float | None
    pixel_rms: float
    folder: Path
    has_other_tuned: bool

    def described(self) -> dict[str, Any]:
        """Its figures, for a record."""
        return {
            "target": self.target,
            "folder": self.folder.name,
            "distance_start": round(self.start, DIGITS),
            "distance_end": round(self.end, DIGITS),
            "distance_tuned": None if self.tuned is None else round(self.tuned, DIGITS),
            "pixel_rms": round(self.pixel_rms, DIGITS),
        }


class ProjectionWriter:
    """Tunes, if that is asked for, and writes the files of each target into a folder of its own.

    Args:
        folder: Where those are made.
        stored: The generator, on its device.
        targets: All of them.
        distance: By which tuning goes.
        tuning_steps: 0 tunes nothing.
        console: Told how tuning goes.

    Attributes:
        done: Those that are written, in their order.
    """

    def __init__(
        self,
        folder: Path,
        stored: StoredGenerator,
        targets: Targets,
        distance: Distance,
        *,
        tuning_steps: int,
        console: Console,
    ) -> None:
        self.done: list[ProjectedImage] = []
        self._folder, self._stored, self._targets = folder, stored, targets
        self._distance, self._tuning_steps, self._console = distance, tuning_steps, console

    def write(self, part: slice, found: FoundStyles, film: WayFilm) -> None:
        """Writes the files of a part of the targets: what was found of all of them, before one is tuned."""
        targets, images, stale = self._targets, [], []
        for index, number in enumerate(range(part.start, part.stop)):
            w, folder = found.w[index], self._folder_of(number)
            images.append(_draw(self._stored.generator, w[None]))
            make_folder(folder)
            if self._tuning_steps:  # of an earlier call, and not of these styles
                for name in (TUNED, COMPARED):
                    (folder / name).unlink(missing_ok=True)
            stale.append((folder / TUNED).is_file() and not _is_tuned_to(folder / TUNED, w))
            said = {"target": targets.names[number], TARGET_DIGEST: _digest(targets.images[number])}
            write_bytes(folder / LATENT, styles_content(w, self._stored, said))
            write_bytes(folder / FILM, film.gif(index))
            _write_image(folder, images[-1], self._stored.generator)
        for index, number in enumerate(range(part.start, part.stop)):
            w, target, folder = found.w[index], targets.images[number], self._folder_of(number)
            image, tuned = images[index], None
            pictures = {"target": target, f"w {found.end[index]:.3f}": image}
            if self._tuning_steps:
                network, tuned = self._tune(w[None], target)
                tuned_from = styles_digest(self._stored.generator)
                save_tuned(
                    folder / TUNED,
                    network,
                    stored=self._stored,
                    tuned_from=tuned_from,
                    tuned_to=tensors_digest({"w": w}),
                )
                image = pictures[f"tuned {tuned:.3f}"] = _draw(network, w[None])
                _write_image(folder, image, network)
            seen = as_rgb(torch.stack([image, target])).float()
            compared = side_by_side(list(pictures.values()), list(pictures))
            write_bytes(folder / COMPARED, result_png(compared))
            self.done.append(
                ProjectedImage(
                    target=targets.names[number],
                    w=w.cpu(),
                    image=image,
                    start=float(found.start[index]),
                    end=float(found.end[index]),
                    tuned=tuned,
                    pixel_rms=float((seen[0] - seen[1]).square().mean().sqrt()),
                    folder=folder,
                    has_other_tuned=stale[index],
                )
            )

    def _folder_of(self, number: int) -> Path:
        return self._folder / self._targets.stems[number]

    def _tune(self, w: Tensor, target: Tensor) -> tuple[Generator, float]:
        steps = self._tuning_steps
        return tuned_generator(
            self._stored.generator,
            w,
            images_to_float(target[None].to(w.device)),
            self._distance,
            steps=steps,
            progress=lambda done: self._console.activity("tuning: step", done, steps),
        )


def _is_tuned_to(path: Path, w: Tensor) -> bool:
    """Whether the generator in a file, of this call or an earlier one, was tuned to just these styles."""
    return read_weights_metadata(path).get(TUNED_TO) == tensors_digest({"w": w})


def refuse_over_others(folder: Path, targets: Targets) -> None:
    """Before time is spent: what was found of other images, which may have been tuned for hours, is not replaced.

    Args:
        folder: Where results go, those of each target into a folder of its name.
        targets: The images.

    Raises:
        UserError: If the folder of one of them holds results of another image.
    """
    for stem, image in zip(targets.stems, targets.images, strict=True):
        path = folder / stem / LATENT
        try:
            known = read_weights(path)[1].get(TARGET_DIGEST)
        except UNUSABLE:  # none, or not ours
            continue
        if known != _digest(image):
            raise UserError(
                f"{str(path.parent)!r} holds what was found of another image called {stem!r}, expected a folder"
                " without. Name another with --out, or move that one."
            )


def _digest(image: Tensor) -> str:
    return tensors_digest({"target": image})


def _write_image(folder: Path, image: Tensor, generator: Generator) -> None:
    content = drawn_png(image_from_tensor(image), generator.discriminator_saw)
    write_bytes(folder / IMAGE, content)


def _draw(generator: Generator, w: Tensor) -> Tensor:
    """Image uint8 [C, R, R] of styles [1, L, W], on the CPU."""
    with torch.no_grad():
        return drawn_bytes(generator.synthesis(w))[0].cpu()
