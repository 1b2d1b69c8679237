"""Targets beside what the generator makes of them, and the way there as a film."""

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from adavit.generation.grid import image_grid
from adavit.generation.sampling import drawn_bytes
from adavit.runtime.pictures import film_frame, opaque, result_film

SIDE, FILM_SIDE = 256, 128
"""Pixels up to which an image of a picture is enlarged, and one of a film or a sheet."""

PAIRS_IN_A_ROW = 4
"""Of a sheet."""

MOST_PAIRS = 64
"""Of a sheet, the first ones."""


class WayFilm:
    """Gathers the images of a search, and makes the film of each target.

    Args:
        targets: uint8 [B, C, R, R].
    """

    def __init__(self, targets: Tensor) -> None:
        self._targets = targets
        self._seen: list[tuple[int, Tensor, list[float]]] = []

    def watch(self, step: int, images: Tensor, distances: Tensor) -> None:
        """Takes the images [B, C, R, R] after so many steps, as `adavit.projection.search.Watch`.

        Raises:
            ImagesNotFinite: If they are no images.
        """
        self._seen.append((step, drawn_bytes(images).cpu(), distances.tolist()))

    def gif(self, index: int) -> bytes:
        """The film of one target: it on the left, the image of each step on the right."""
        target = self._targets[index]
        frames = [
            film_frame(
                opaque(side_by_side([target, images[index]], side=FILM_SIDE)),
                f"step {step}: distance {distances[index]:.3f}",
            )
            for step, images, distances in self._seen
        ]
        return result_film(frames)


def side_by_side(
    images: Sequence[Tensor], captions: Sequence[str] | None = None, *, side: int = SIDE
) -> Image.Image:
    """Images, uint8 [C, H, W], in a row, enlarged up to a side."""
    scale = max(1, side // max(images[0].shape[-2:]))
    return image_grid(
        torch.stack(list(images)), columns=len(images), captions=captions, scale=scale
    )


def sheet(targets: Tensor, images: Tensor) -> Image.Image:
    """Pairs of a target and its image, uint8 [N, C, H, W] each, of the first `MOST_PAIRS`."""
    pairs = torch.stack([targets[:MOST_PAIRS], images[:MOST_PAIRS]], dim=1).flatten(0, 1)
    scale = max(1, FILM_SIDE // max(pairs.shape[-2:]))
    return image_grid(pairs, columns=2 * PAIRS_IN_A_ROW, scale=scale)
