"""Drawing images from a generator: streams of many for the metrics, single ones by seed, grids to look at."""

import io
from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from adavit.data import images_to_uint8
from adavit.models import Generator
from adavit.runtime.randomness import generator_for

BATCH = 64
"""Images at a time. Fixed, because the numbers drawn for an image depend on the batch they come in."""

GRID_COLUMNS = 8
"""Images in a row of a grid, unless something else is asked for."""

GRID_PADDING = 2
"""Black pixels around each image of a grid."""

SEEN_SIDE = 64
"""Pixels up to which the images of a grid are enlarged."""


class LabelStream:
    """Draws class labels in the proportion of the training images.

    Args:
        counts: Training images of each class.
        seed: Start of the stream.
    """

    def __init__(self, counts: Sequence[int], seed: int) -> None:
        self._shares = np.array(counts) / np.sum(counts)
        self._choice = np.random.Generator(np.random.PCG64(seed))

    def draw(self, count: int) -> Tensor:
        """Class numbers [count], int64, on the CPU."""
        drawn = self._choice.choice(len(self._shares), count, p=self._shares)
        return torch.from_numpy(drawn)

    @classmethod
    def of(cls, generator: Generator, counts: Sequence[int] | None, seed: int) -> Self | None:
        """The labels of a generator; None if it has no classes.

        Raises:
            ValueError: If it has classes and there are no counts.
        """
        if not generator.num_classes:
            return None
        if counts is None:
            raise ValueError("The generator is conditional, expected the counts of its labels.")
        return cls(counts, seed)


@torch.no_grad()
def random_images(
    generator: Generator,
    count: int,
    *,
    stream: torch.Generator,
    labels: LabelStream | None,
    truncation: float = 1.0,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Random images of a generator with their labels, in batches of `BATCH`.

    Args:
        generator: In evaluation mode.
        count: How many images in all.
        stream: Of latents and noise, on the generator's device.
        labels: From `LabelStream.of`.
        truncation: Factor on the distance of w from its average; 1 is none.

    Yields:
        Images [B, C, H, W], float32 in about [-1, 1], on the generator's device, and their classes [B] on the CPU or
        None.
    """
    device = generator.w_average.device
    for start in range(0, count, BATCH):
        size = min(BATCH, count - start)
        latents = torch.randn(size, generator.latent_dim, generator=stream, device=device)
        drawn = None if labels is None else labels.draw(size)
        moved = None if drawn is None else drawn.to(device)
        yield generator(latents, moved, truncation=truncation, noise=stream), drawn


def generated_batches(
    generator: Generator,
    count: int,
    *,
    seed: int,
    label_counts: Sequence[int] | None = None,
    truncation: float = 1.0,
) -> Iterator[Tensor]:
    """Random images for the metrics, the same ones for the same seed.

    Args:
        generator: In evaluation mode.
        count: How many images in all.
        seed: Start of the stream.
        label_counts: Training images of each class, in whose proportion the labels of a conditional
            generator are drawn.
        truncation: Factor on the distance of w from its average; 1 is none.

    Yields:
        Images [B, C, H, W], uint8, on the generator's device.
    """
    stream = generator_for(seed, "evaluation", 0, generator.w_average.device)
    labels = LabelStream.of(generator, label_counts, seed)
    drawn = random_images(generator, count, stream=stream, labels=labels, truncation=truncation)
    yield from (images_to_uint8(images) for images, _ in drawn)


@torch.no_grad()
def images_of_seeds(
    generator: Generator,
    seeds: Sequence[int],
    *,
    class_index: int | None = None,
    class_weights: Sequence[float] | None = None,
    truncation: float = 1.0,
) -> Iterator[tuple[Tensor, int | None]]:
    """One image per seed; a seed gives the same image whichever others are asked for.

    Args:
        generator: In evaluation mode; its fixed noise is used.
        seeds: Any integers >= 0.
        class_index: Class of a conditional generator; None draws it by the seed.
        class_weights: How often each class is drawn then, in any unit, such as training images.
        truncation: Factor on the distance of w from its average; 1 is none.

    Yields:
        Image [C, H, W], uint8, on the CPU; and its class, or None without classes.

    Raises:
        ValueError: If the generator is conditional and neither a class nor weights are given.
    """
    if generator.num_classes and class_index is None and class_weights is None:
        raise ValueError("The generator is conditional, expected a class or the weights of all.")
    device = generator.w_average.device
    for seed in seeds:
        stream = generator_for(seed, "latents", 0)
        latents = torch.randn(1, generator.latent_dim, generator=stream)
        index = labels = None
        if generator.num_classes:
            index = class_index
            if index is None:
                weights = torch.tensor(class_weights, dtype=torch.float64)
                index = int(torch.multinomial(weights, 1, generator=stream))
            labels = torch.tensor([index], device=device)
        image = generator(latents.to(device), labels, truncation=truncation)
        yield images_to_uint8(image)[0].cpu(), index


def image_from_tensor(image: Tensor) -> Image.Image:
    """A picture from uint8 [C, H, W], C in {1, 3, 4}."""
    array = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def png_bytes(image: Image.Image) -> bytes:
    """A picture as the content of a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def image_grid(images: Tensor, *, columns: int = GRID_COLUMNS) -> Image.Image:
    """Images side by side, small ones enlarged by whole pixels so that a person sees something.

    Args:
        images: uint8 [N, C, H, W].
        columns: Images in a row.
    """
    enlarge = _enlargement(images.shape[-1])
    large = images.cpu().repeat_interleave(enlarge, -1).repeat_interleave(enlarge, -2)
    grid = make_grid(large, nrow=columns, padding=GRID_PADDING)
    # make_grid repeats grey to three channels, which changes nothing that is seen.
    return image_from_tensor(grid)


def grid_rows(grid: Image.Image, *, resolution: int, columns: int = GRID_COLUMNS) -> int:
    """Rows of a picture that `image_grid` has laid out; 0 for any other picture.

    Args:
        grid: The picture.
        resolution: Side of one image in pixels, before it was enlarged.
        columns: Images in a row.
    """
    pitch = resolution * _enlargement(resolution) + GRID_PADDING
    if grid.width != columns * pitch + GRID_PADDING or (grid.height - GRID_PADDING) % pitch:
        return 0
    return (grid.height - GRID_PADDING) // pitch


def grid_tile(grid: Image.Image, row: int, column: int, *, resolution: int) -> Image.Image:
    """One image out of a grid, at its own size.

    Args:
        grid: As `image_grid` has laid it out.
        row: From the top, from 0.
        column: From the left, from 0.
        resolution: Side of one image in pixels, before it was enlarged.
    """
    side = resolution * _enlargement(resolution)
    left, top = (GRID_PADDING + index * (side + GRID_PADDING) for index in (column, row))
    tile = grid.crop((left, top, left + side, top + side))
    return tile.resize((resolution, resolution), Image.Resampling.NEAREST)


def _enlargement(resolution: int) -> int:
    return max(1, SEEN_SIDE // resolution)
