"""What a seed stands for: a latent, a class, the noise of each pixel; and many styles, drawn at random."""

from collections.abc import Sequence

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.runtime.randomness import generator_for
from adavit.styles.classes import ClassChoice

DRAWS = 10_000
"""Styles that averages, components and centres are computed from, as in GANSpace (arXiv:2004.02546)."""


def latents_of_seed(
    generator: Generator, seed: int, choice: ClassChoice
) -> tuple[Tensor, int | None]:
    """Latent and class of a seed: the same ones whichever others are asked for.

    Args:
        generator: Gives the length Z.
        seed: Any integer >= 0.
        choice: One class, or the weights that it is drawn by.

    Returns:
        Latents [1, Z], float32, on the CPU, and the class, or None without classes.

    Raises:
        ValueError: If the generator is conditional and neither a class nor weights are given.
    """
    stream = generator_for(seed, "latents", 0)
    latents = torch.randn(1, generator.latent_dim, generator=stream)
    if not generator.num_classes:
        return latents, None
    if choice.index is not None:
        return latents, choice.index
    return latents, int(_drawn_classes(choice, 1, stream))


def pixel_noise_of_seeds(generator: Generator, seeds: Sequence[int]) -> Tensor:
    """What is drawn for each pixel of the images of seeds, as if each were drawn by itself.

    Args:
        generator: Gives the layers.
        seeds: Of B images.

    Returns:
        [B, pixels of all layers with noise], on the CPU.
    """
    of_each = [generator.synthesis.draw_noise(1, generator_for(seed, "noise", 0)) for seed in seeds]
    return torch.cat(of_each)


@torch.no_grad()
def random_styles(
    generator: Generator, choice: ClassChoice, *, count: int = DRAWS, seed: int = 0
) -> Tensor:
    """Styles of random latents and classes.

    Args:
        generator: On any device.
        choice: One class, or the weights that classes are drawn by.
        count: How many, N.
        seed: Start of the stream.

    Returns:
        w [N, W], float32, on the CPU.
    """
    stream = generator_for(seed, "styles", 0)
    latents = torch.randn(count, generator.latent_dim, generator=stream)
    labels = None
    if generator.num_classes and choice.index is not None:
        labels = torch.full((count,), choice.index)
    elif generator.num_classes:
        labels = _drawn_classes(choice, count, stream)
    device = generator.w_average.device
    moved = None if labels is None else labels.to(device)
    w: Tensor = generator.mapping(latents.to(device), moved)
    return w.cpu()


def _drawn_classes(choice: ClassChoice, count: int, stream: torch.Generator) -> Tensor:
    """Class numbers [count], int64."""
    if choice.weights is None:
        raise ValueError("The generator is conditional, expected a class or the weights of all.")
    weights = torch.tensor(choice.weights, dtype=torch.float64)
    return torch.multinomial(weights, count, replacement=True, generator=stream)
