"""Drawing images from a generator: streams of many for the metrics, single ones by seed."""

from collections.abc import Container, Iterator, Sequence
from typing import Literal, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from adavit.data import images_to_uint8
from adavit.errors import RunError
from adavit.models import Generator
from adavit.runtime.randomness import generator_for
from adavit.styles.change import StyleChange
from adavit.styles.classes import ClassChoice
from adavit.styles.seeds import latents_of_seed

NoiseOfSeeds = Literal["seed", "fixed", "none"]

BATCH = 64
"""Images at a time. Fixed, because the numbers drawn for an image depend on the batch they come in."""


PIXELS = 2**19
"""Pixels that a generator draws at a time: 128 images of 64 px, 8 of 256 px. With the networks of an accelerator that
takes 0.4 to 1.5 GiB up to 1024 px, less than a step of one image. On a CPU batches of 8, 16 and 32 gave the same bits
as of 64; others, as from 512 px on, differ by rounding (1e-5), and on an accelerator any may."""


class ImagesNotFinite(RunError):
    """A generator draws what is no image: it comes of a training that diverged.

    Args:
        what: A clause that says how many.

    Attributes:
        what: The same.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}, expected numbers: it comes of a training that diverged. Use another"
            " generator (--which best or last of the run), or start a new run with smaller learning"
            " rates."
        )
        self.what = what


def drawn_bytes(images: Tensor) -> Tensor:
    """What a generator drew, as bytes.

    Args:
        images: [B, C, H, W], floating point. Not modified.

    Returns:
        uint8, as `adavit.data.pixels.images_to_uint8`.

    Raises:
        ImagesNotFinite: If a pixel is not finite; it would pass for black.
    """
    sound = images.isfinite().flatten(1).all(dim=1)
    if not sound.all():
        wrong = len(sound) - int(sound.sum())
        raise ImagesNotFinite(
            f"{wrong} of {len(sound)} images that the generator draws are not finite"
        )
    return images_to_uint8(images)


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


def part_size(generator: Generator) -> int:
    """Images that have `PIXELS` pixels together, at least one."""
    return max(1, PIXELS // generator.resolution.area)


@torch.no_grad()
def draw_in_parts(
    generator: Generator,
    latents: Tensor,
    labels: Tensor | None,
    *,
    truncation: float = 1.0,
    noise: torch.Generator | None = None,
) -> Tensor:
    """What the generator draws of a batch, in parts of `PIXELS` pixels.

    Args:
        generator: In evaluation mode.
        latents: [B, Z].
        labels: Class numbers [B]; None without classes.
        truncation: Factor on the distance of w from its average; 1 is none.
        noise: Stream of each pixel's noise, the same numbers as undivided; None for the fixed noise.

    Returns:
        Images [B, C, H, W], float32.
    """
    size = part_size(generator)
    if len(latents) <= size:
        images: Tensor = generator(latents, labels, truncation=truncation, noise=noise)
        return images
    drawn = None if noise is None else generator.synthesis.draw_noise(len(latents), noise)
    parts = []
    for start in range(0, len(latents), size):
        part = slice(start, start + size)
        given = None if labels is None else labels[part]
        pixels = None if drawn is None else drawn[part]
        parts.append(generator(latents[part], given, truncation=truncation, noise=pixels))
    return torch.cat(parts)


def share_of_batches(count: int, *, rank: int, size: int) -> range:
    """Numbers of the neighbouring batches that one of several processes draws, about equally many each.

    The first process has one at least, as where it alone is there, to find out what the others would take.

    Args:
        count: Images of all of them.
        rank: Number of the process.
        size: How many there are.
    """
    batches = -(-count // BATCH)
    first, end = (-(-number * batches // size) for number in (rank, rank + 1))
    return range(first, end)


@torch.no_grad()
def random_images(
    generator: Generator,
    count: int,
    *,
    stream: torch.Generator,
    labels: LabelStream | None,
    truncation: float = 1.0,
    chosen: Container[int] | None = None,
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Random images of a generator with their labels, in batches of `BATCH`.

    Args:
        generator: In evaluation mode.
        count: How many images in all.
        stream: Of latents and noise, on the generator's device.
        labels: From `LabelStream.of`.
        truncation: Factor on the distance of w from its average; 1 is none.
        chosen: Numbers of the batches to draw, the same images as among all of them; None for all.

    Yields:
        Images [B, C, H, W], float32 in about [-1, 1], on the generator's device, and their classes [B] on the CPU or
        None.
    """
    device = generator.w_average.device
    for number, start in enumerate(range(0, count, BATCH)):
        size = min(BATCH, count - start)
        latents = torch.randn(size, generator.latent_dim, generator=stream, device=device)
        drawn = None if labels is None else labels.draw(size)
        if chosen is not None and number not in chosen:
            generator.synthesis.draw_noise(size, stream)  # leaves the stream where the batch would
            continue
        moved = None if drawn is None else drawn.to(device)
        yield draw_in_parts(generator, latents, moved, truncation=truncation, noise=stream), drawn


def generated_batches(
    generator: Generator,
    count: int,
    *,
    seed: int,
    label_counts: Sequence[int] | None = None,
    truncation: float = 1.0,
    chosen: Container[int] | None = None,
) -> Iterator[Tensor]:
    """Random images for the metrics, the same ones for the same seed.

    Args:
        generator: In evaluation mode.
        count: How many images in all.
        seed: Start of the stream.
        label_counts: Training images of each class, in whose proportion the labels of a conditional
            generator are drawn.
        truncation: Factor on the distance of w from its average; 1 is none.
        chosen: As for `random_images`.

    Yields:
        Images [B, C, H, W], uint8, on the generator's device.
    """
    stream = generator_for(seed, "evaluation", 0, generator.w_average.device)
    labels = LabelStream.of(generator, label_counts, seed)
    drawn = random_images(
        generator, count, stream=stream, labels=labels, truncation=truncation, chosen=chosen
    )
    yield from (drawn_bytes(images) for images, _ in drawn)


@torch.no_grad()
def images_of_seeds(
    generator: Generator,
    seeds: Sequence[int],
    *,
    choice: ClassChoice,
    change: StyleChange | None = None,
    noise: NoiseOfSeeds = "seed",
) -> Iterator[tuple[Tensor, int | None]]:
    """One image per seed; a seed gives the same image whichever others are asked for.

    Args:
        generator: In evaluation mode; "none" takes its noise away for good.
        seeds: Any integers >= 0.
        choice: Class of a conditional generator, or how it is drawn by the seed.
        change: What becomes of the styles; None leaves them as they are.
        noise: What is added at each pixel: drawn by the seed, as evaluations draw it anew for each image; the
            fixed noise of the generator, the same for all; or none.

    Yields:
        Image [C, H, W], uint8, on the CPU; and its class, or None without classes.

    Raises:
        ValueError: If the generator is conditional and neither a class nor weights are given.
    """
    if noise == "none":
        generator.synthesis.silence()
    device = generator.w_average.device
    for seed in seeds:
        latents, index = latents_of_seed(generator, seed, choice)
        labels = None if index is None else torch.tensor([index], device=device)
        w = generator.mapping(latents.to(device), labels)
        pixels = generator_for(seed, "noise", 0) if noise == "seed" else None
        image = generator.synthesis(w if change is None else change(w), pixels)
        yield drawn_bytes(image)[0].cpu(), index


@torch.no_grad()
def images_of_styles(
    generator: Generator, w: Sequence[Tensor], *, change: StyleChange | None = None
) -> Iterator[Tensor]:
    """One image for the styles of each, with the fixed noise of the generator.

    Args:
        generator: In evaluation mode.
        w: Styles [style_count, W] of each image, on any device. Not modified.
        change: What becomes of them; None leaves them as they are.

    Yields:
        Image [C, H, W], uint8, on the CPU.
    """
    for each in w:
        styles = each[None].to(generator.w_average.device)
        drawn = generator.synthesis(styles if change is None else change(styles))
        yield drawn_bytes(drawn)[0].cpu()


def image_from_tensor(image: Tensor) -> Image.Image:
    """A picture from uint8 [C, H, W], C in {1, 3, 4}."""
    array = image.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
