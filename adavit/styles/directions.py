"""Directions in the styles of a generator along which its images change, found without labels: SeFa and PCA."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from adavit.errors import UserError
from adavit.metrics.principal_components import principal_components, with_largest_positive
from adavit.models import Generator
from adavit.styles.belonging import styles_digest
from adavit.styles.classes import ClassChoice
from adavit.styles.numbers import integers
from adavit.styles.seeds import random_styles

Method = Literal["sefa", "pca"]


@dataclass(frozen=True)
class Directions:
    """Directions of one generator, strongest first.

    The unit of steps is the same for both methods: the standard deviation of random styles along the
    direction, so that from -3 to 3 lies what the generator draws by itself.

    Attributes:
        vectors: [D, W], each one standard deviation long; the largest of its numbers is positive.
        strengths: [D]; of SeFa the eigenvalues of A^T A, of PCA the share of the variance of w.
        method: How they were found.
        layers: Numbers of the styles that move.
        style_count: Styles that the generator takes, L.
        generator: `styles_digest` of it.
    """

    vectors: Tensor
    strengths: Tensor
    method: Method
    layers: tuple[int, ...]
    style_count: int
    generator: str

    def offset(self, number: int, amount: float) -> Tensor:
        """What a step adds to the styles of an image.

        Args:
            number: Of the direction, from 0.
            amount: How far, in standard deviations of w along the direction.

        Returns:
            [L, W]; 0 but in `layers`.

        Raises:
            IndexError: If there is no such direction.
        """
        if not 0 <= number < len(self.vectors):
            raise IndexError(f"there are {len(self.vectors)} directions, from 0, and no {number}")
        offset = torch.zeros(self.style_count, self.vectors.shape[1])
        offset[list(self.layers)] = amount * self.vectors[number]
        return offset


def most_directions(generator: Generator) -> int:
    """How many directions of all styles change what a generator draws, at the most."""
    synthesis = generator.synthesis
    channels = sum(map(len, _reading(generator, range(synthesis.style_count))))
    return min(synthesis.style_dim, channels)


def _reading(generator: Generator, layers: Sequence[int]) -> list[Tensor]:
    """Weights [C, W] of the layers that read these styles."""
    styled = generator.synthesis.styled_layers()
    return [layer.affine.weight for style, layer in styled if style in layers]


def find_directions(
    generator: Generator,
    *,
    method: Method = "sefa",
    layers: Sequence[int] | None = None,
    count: int = 8,
    choice: ClassChoice,
) -> Directions:
    """The strongest directions of a generator.

    Args:
        generator: In evaluation mode.
        method: "sefa" looks at the weights that read the styles, "pca" at how random styles spread.
        layers: Numbers of the styles that move, for SeFa also those whose weights are looked at; None is all.
        count: How many, D.
        choice: Classes of the random styles that the unit is measured on.

    Raises:
        UserError: If there is no such layer, or there are not so many directions.
    """
    synthesis = generator.synthesis
    layers = check_layers(range(synthesis.style_count) if layers is None else layers, generator)
    weights = _reading(generator, layers)
    most, channels = synthesis.style_dim, sum(map(len, weights))
    what = f"styles of {most} numbers"
    if method == "sefa" and channels < most:  # all other directions change nothing there
        most, what = channels, f"layers of {channels} channels"
    if not 1 <= count <= most:
        raise UserError(
            f"--count is {count}, but {what} have no more directions than that. Give --count a number from 1 to"
            f" {most}."
        )
    w = random_styles(generator, choice)
    if method == "pca":
        # As in GANSpace (Härkönen et al. 2020, arXiv:2004.02546).
        units, strengths = (found[:count] for found in principal_components(w))
    else:
        units, strengths = factorised(weights, count)
    spread = (w.double() @ units.T).std(dim=0)
    return Directions(
        vectors=(units * spread[:, None]).float(),
        strengths=strengths.float(),
        method=method,
        layers=tuple(layers),
        style_count=synthesis.style_count,
        generator=styles_digest(generator),
    )


def factorised(weights: Sequence[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """The unit vectors that change the scales of layers most: SeFa (Shen and Zhou 2021, arXiv:2007.06600).

    Equation 6 there: eigenvectors of A^T A, A the weights that read the styles, stacked.

    Args:
        weights: [C, W] of each layer, without their gains, which are the same for all. Not modified.
        count: How many, D.

    Returns:
        [D, W], float64, orthonormal, the largest number of each positive; and their eigenvalues [D], falling.
    """
    stacked = torch.cat([weight.detach().cpu().double() for weight in weights])
    values, vectors = torch.linalg.eigh(stacked.T @ stacked)  # rising, vectors in columns
    leading = with_largest_positive(vectors.T.flip(0)[:count])
    return leading, values.flip(0)[:count].clamp_min(0.0)


def check_layers(layers: Sequence[int], generator: Generator) -> list[int]:
    """The numbers of layers, if the generator has them.

    Raises:
        TypeError: As `integers`.
        UserError: If it has not.
    """
    count = generator.synthesis.style_count
    numbers = integers(layers)
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong:
        raise UserError(
            f"--layers has {wrong[0]}, but this generator of {generator.resolution.plain} px has layers"
            f" 0-{count - 1}: the first ones shape the whole, the last ones details. Name some of these."
        )
    return numbers
