"""Where a search for styles begins, and how far styles lie from there."""

from dataclasses import dataclass

from torch import Tensor

from adavit.models import Generator
from adavit.styles.classes import ClassChoice
from adavit.styles.seeds import random_styles


@dataclass(frozen=True)
class StyleCloud:
    """Styles of random latents, by two figures.

    Attributes:
        mean: [W].
        spread: Root mean square of their distances to it, sigma_w of arXiv:1912.04958, appendix D.
    """

    mean: Tensor
    spread: float


def style_cloud(generator: Generator, choice: ClassChoice, *, seed: int) -> StyleCloud:
    """Mean and spread of `adavit.styles.seeds.DRAWS` styles.

    Args:
        generator: In evaluation mode.
        choice: Classes that they are drawn of.
        seed: Start of the random stream.

    Returns:
        The mean on the generator's device.
    """
    styles = random_styles(generator, choice, seed=seed).double()
    mean = styles.mean(dim=0)
    spread = (styles - mean).square().sum(dim=1).mean().sqrt()
    return StyleCloud(mean.float().to(generator.w_average.device), float(spread))
