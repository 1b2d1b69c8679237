"""The two spaces that images are compared in: a network's features, and pixels."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from adavit.metrics import FeatureExtractor, as_rgb, extract_features


@dataclass(frozen=True)
class Space:
    """Images as vectors.

    Attributes:
        name: "features" or "pixels".
        unit: What a distance in it is.
        embed: Images uint8 [N, C, R, R] to vectors [N, D], with what the images are for the console.
        scale: Factor from the Euclidean distance of D-dimensional vectors to the unit, given D.
    """

    name: str
    unit: str
    embed: Callable[[Tensor, str], Tensor]
    scale: Callable[[int], float]


def feature_space(extractor: FeatureExtractor, activity: Callable[[str, int, int], None]) -> Space:
    """Features of a network: alike in content, whatever the pixels.

    Args:
        extractor: The network.
        activity: Told how it goes, as `Console.activity`.
    """

    def embed(images: Tensor, kind: str) -> Tensor:
        text = f"features of {kind}"
        return extract_features(
            extractor, [images], progress=lambda done: activity(text, done, len(images))
        )

    return Space("features", f"Euclidean, {extractor.name} features", embed, lambda _: 1.0)


def pixel_space() -> Space:
    """Pixels, RGBA on black: alike in every place."""

    def embed(images: Tensor, kind: str) -> Tensor:
        return (as_rgb(images) if images.shape[1] == 4 else images).flatten(1)

    return Space("pixels", "root mean square, grey levels", embed, lambda size: size**-0.5)
