"""`images.png`: real and generated images side by side, with attention rollout and saliency."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.diagnostics.discriminator.drawing import NAMES, bare, new_figure, pixels, png_of

TILE_INCHES = 1.0
HIGHEST = 0.99
"""Saliency is shown up to this quantile: single pixels would leave the rest black."""


@dataclass(frozen=True)
class Look:
    """Images of one side, and what the discriminator does with them.

    Attributes:
        images: Images [N, C, H, W] in [-1, 1].
        logits: Their logits [N].
        saliency: Maps [N, H, W], >= 0.
        rollout: Maps [N, rows, columns], >= 0; None without attention.
    """

    images: Tensor
    logits: Tensor
    saliency: Tensor
    rollout: Tensor | None = None


def draw_images(looks: Mapping[str, Look], title: str) -> bytes:
    """A row for each pair of a real and a generated image.

    Args:
        looks: Of real and of generated images, by kind.
        title: Above all.

    Returns:
        The content of a PNG file.
    """
    panels = {kind: _panels(look) for kind, look in looks.items()}
    width = sum(len(side) for side in panels.values())
    rows = max(len(look.images) for look in looks.values())
    figure = new_figure(TILE_INCHES * width + 0.8, (TILE_INCHES + 0.2) * rows + 0.7, title)
    grid = figure.subplots(rows, width, squeeze=False)
    for axis in grid.flat:
        bare(axis)
    first = 0
    for kind, side in panels.items():
        look = looks[kind]
        for column, (heading, tiles) in enumerate(side.items(), start=first):
            named = f"{NAMES[kind]}\n{heading}" if column == first else heading
            grid[0, column].set_title(named, fontsize=8)
            for row, tile in enumerate(tiles):
                grid[row, column].imshow(tile, interpolation="nearest")
        for row, logit in enumerate(look.logits.tolist()):
            grid[row, first].set_xlabel(f"logit {logit:+.2f}", fontsize=7, labelpad=1)
        first += len(side)
    return png_of(figure)


def _panels(look: Look) -> dict[str, list[np.ndarray]]:
    """Columns of RGB tiles by heading."""
    originals = [pixels(image) for image in look.images]
    panels = {"image": originals}
    if look.rollout is not None:
        size = originals[0].shape[:2]
        maps = F.interpolate(look.rollout[:, None].float(), size, mode="bilinear")[:, 0]
        panels["rollout"] = [
            _lit(image, to_top(light)) for image, light in zip(originals, maps, strict=True)
        ]
    panels["saliency"] = [_glow(to_top(light)) for light in look.saliency]
    return panels


def to_top(light: Tensor) -> np.ndarray:
    """A map [H, W] >= 0 over its `HIGHEST` quantile, at most 1; zeros stay zeros."""
    top = light.double().quantile(HIGHEST).clamp(min=torch.finfo(torch.float64).tiny)
    return np.asarray((light.double() / top).clamp(max=1).numpy())


def _lit(image: np.ndarray, light: np.ndarray) -> np.ndarray:
    """An image that is bright where the map is, and a fifth as bright elsewhere."""
    return (image * (0.2 + 0.8 * light[:, :, None])).astype(np.uint8)


def _glow(light: np.ndarray) -> np.ndarray:
    """A map from black over orange to white."""
    return np.stack([np.clip(3 * light - shift, 0, 1) for shift in (0.0, 1.0, 2.0)], axis=2)
