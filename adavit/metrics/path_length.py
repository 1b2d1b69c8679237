"""Perceptual path length: how far images move, to the eye, for a small step in the latent space."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch import Tensor

from adavit.errors import RunError, UserError
from adavit.metrics.extractors.extractor import FeatureExtractor, SmoothExtractor

EPSILON = 1e-4
DISCARDED_PERCENT = 1
SETTING = f"w, ends, epsilon {EPSILON:g}, without the outer {DISCARDED_PERCENT}% on either side"


def smooth(extractor: FeatureExtractor) -> SmoothExtractor:
    """The extractor, if path lengths can be measured with it.

    A step of 1e-4 moves pixels by far less than one level: on rounded images a few whole levels
    would be all that is seen, and the length be wrong by orders of magnitude.

    Raises:
        UserError: If it takes only rounded images.
    """
    if isinstance(extractor, SmoothExtractor):
        return extractor
    raise UserError(
        f"metrics name 'ppl', but extractor {extractor.name} sees rounded pixel values only, in"
        " which the small step of a path is lost. Use extractor lpips-vgg16 (as published), random or"
        " torchvision:ARCH:FILE."
    )


def path_length(
    pairs: Iterable[tuple[Tensor, Tensor]],
    extractor: FeatureExtractor,
    *,
    progress: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Mean squared feature distance of images a small step apart, over the step squared.

    Karras et al. 2019 (arXiv:1812.04948, section 4.1, equation 3) in W, at the ends of paths as in
    Karras et al. 2020 (arXiv:1912.04958, section 3.1). With `lpips-vgg16` the squared distance of
    features is LPIPS, and the figure is `ppl`; with any other extractor it is the plain squared
    distance of its features, `ppl_<extractor>`, in other units. As published, the lowest and the
    highest hundredth of the distances are left out.

    Args:
        pairs: Batches of images at w and at w + EPSILON (w' - w), float32 [B, C, H, W] in about
            [-1, 1], C in 1, 3, 4.
        extractor: The network.
        progress: Called with the number of pairs done.

    Returns:
        Figures by the ending of their names: "" the mean, >= 0, and "_std" the standard deviation.

    Raises:
        UserError: If the extractor cannot be used.
        RunError: If a distance is not finite.
    """
    network = smooth(extractor)
    lengths: list[Tensor] = []
    done = 0
    for first, second in pairs:
        for start in range(0, len(first), extractor.batch):
            part = slice(start, start + extractor.batch)
            step = network.of_unrounded(on_black(second[part])) - network.of_unrounded(
                on_black(first[part])
            )
            lengths.append(step.double().square().sum(dim=1).cpu() / EPSILON**2)
            done += len(step)
            if progress is not None:
                progress(done)
    return trimmed(torch.cat(lengths).numpy())


def trimmed(lengths: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation without the outer hundredths.

    Args:
        lengths: Distances [N], float64, N >= 1.

    Raises:
        RunError: If one is not finite.
    """
    if not np.isfinite(lengths).all():
        raise RunError(
            "the path length is not finite, but the generator's images should be. Evaluate another"
            " generator of the run: the best or the last one."
        )
    low = np.percentile(lengths, DISCARDED_PERCENT, method="lower")
    high = np.percentile(lengths, 100 - DISCARDED_PERCENT, method="higher")
    kept = lengths[(low <= lengths) & (lengths <= high)]
    return {"": float(kept.mean()), "_std": float(kept.std())}


def on_black(images: Tensor) -> Tensor:
    """Images [B, C, H, W] in [-1, 1] without alpha: RGBA as on a black ground, others as they are."""
    if images.shape[1] != 4:
        return images
    alpha = (images[:, 3:] + 1) / 2
    return (images[:, :3] + 1) * alpha - 1
