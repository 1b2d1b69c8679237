"""How well training images can be reached by the generator, and how well images that it has never seen.

A generator that holds its training images draws them at some styles; others it can only come near to (Webster et al.
2019, "Detecting overfitting of deep generative networks via latent recovery", arXiv:1901.03396).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import ttest_ind
from torch import Tensor

from adavit.diagnostics.diagnosed_images import DiagnosedImages, draw_indices
from adavit.diagnostics.memorisation.training_distances import DIGITS
from adavit.errors import UserError
from adavit.projection.choice import choose_distance
from adavit.projection.distance import DiscriminatorMaps
from adavit.projection.search import Space, search_in_parts
from adavit.projection.styles import style_cloud
from adavit.runs.generator_file import StoredGenerator
from adavit.runtime.console import Console
from adavit.styles.classes import choose_class

STEPS = 300
"""Of the search: after so many most of the way is done, and both sides have the same."""

SPACE: Space = "w"
"""Of the search; one style for each layer comes near to any image."""

LEVEL = 0.95
"""Of the interval."""


class Reach:
    """Searches training and held-out images in a generator, and compares how near it comes.

    Args:
        diagnosed: Images of a generator's run.
        count: Images of each kind, at most.
        features: Network by which images are compared; see `adavit.projection.choice.choose_distance`.
        mean: Colour that is 0 to it, likewise.
        std: What is 1 to it, likewise.
        device: Where it runs.
        console: Told how it goes.

    Raises:
        UserError: If the source has no generator, there is no held-out image, or the network cannot be had.
    """

    def __init__(
        self,
        diagnosed: DiagnosedImages,
        count: int,
        features: str | None,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        device: torch.device,
        console: Console,
    ) -> None:
        self._stored = _generator_of(diagnosed, count)
        self._count, self._seed = count, diagnosed.protocol["seed"]
        self._device, self._console = device, console
        self._distance = choose_distance(
            self._stored, features, mean=mean, std=std, device=device, console=console
        )
        self._real = diagnosed.real

    def choose(self, train: np.ndarray, never_seen: np.ndarray) -> None:
        """Draws the images.

        Args:
            train: Indices of training images, one of each that are copies of one another.
            never_seen: Likewise of held-out ones, none of which is a copy of a training image.

        Raises:
            UserError: If there are too few.
        """
        _check_counts(self._count, train, never_seen)
        self._train = draw_indices(train, self._count, self._seed, "projected training images")
        self._unseen = draw_indices(
            never_seen, self._count, self._seed, "projected held-out images"
        )

    def compare(self) -> dict[str, Any]:
        """What is recorded: mean distances, their difference with its interval, and how they were found."""
        both = np.concatenate([self._train, self._unseen])
        found = self._distances(torch.from_numpy(self._real.images[both].copy()))
        train, unseen = found[: len(self._train)], found[len(self._train) :]
        low, high = difference_interval(unseen, train)
        return {
            "distance": self._distance.described(),
            "compared_by": [kind.name for kind in self._distance.kinds],
            "space": SPACE,
            "steps": STEPS,
            "training": _side(train),
            "heldout": _side(unseen),
            "difference": round(float(unseen.mean() - train.mean()), DIGITS),
            "interval": [round(low, DIGITS), round(high, DIGITS)],
            "interval_kind": f"{LEVEL:.0%} Welch t",
        }

    def _distances(self, images: Tensor) -> np.ndarray:
        generator = self._stored.generator.to(self._device)
        cloud = style_cloud(generator, choose_class(self._stored, None), seed=self._seed)
        parts = search_in_parts(
            generator,
            images,
            self._distance,
            cloud,
            steps=STEPS,
            space=SPACE,
            seed=self._seed,
            console=self._console,
        )
        return torch.cat([found.end.cpu() for _, found, _ in parts]).double().numpy()


def difference_interval(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Welch's interval (1947) of the difference of the means of two samples, which covers it with two numbers each too.

    Args:
        first: Numbers [N], N >= 2.
        second: Numbers [M], M >= 2, whose mean is taken away.

    Returns:
        The ends of the interval of `LEVEL`.
    """
    low, high = ttest_ind(first, second, equal_var=False).confidence_interval(LEVEL)
    return float(low), float(high)


def summarise_reach(record: dict[str, Any]) -> list[str]:
    """A record of `Reach.compare` as lines for a person."""
    low, high = record["interval"]
    if low > 0:
        verdict = (
            "Training images are reached better than others: the generator holds something of them."
        )
    elif high < 0:
        verdict = "Training images are not reached better than others, but worse."
    else:
        verdict = "Whether training images are reached better than others cannot be told."
    biased = DiscriminatorMaps.name in record["compared_by"]
    return [
        f"projection ({' and '.join(record['compared_by'])}; {record['steps']} steps in {record['space']})",
        *(
            f"  {name:<16}  mean distance {side['mean']:.4g} ({side['images']:,} images)"
            for name, side in (
                ("training images", record["training"]),
                ("held-out images", record["heldout"]),
            )
        ),
        f"  difference        {record['difference']:+.4g} ({low:+.4g} to {high:+.4g})",
        f"  {verdict}",
        *(
            [
                "  The discriminator has seen the training images itself: --features compares without it."
            ]
            * biased
        ),
    ]


def _side(distances: np.ndarray) -> dict[str, Any]:
    return {
        "images": len(distances),
        "mean": round(float(distances.mean()), DIGITS),
        "distances": [round(float(value), DIGITS) for value in distances],
    }


def _generator_of(diagnosed: DiagnosedImages, count: int) -> StoredGenerator:
    if diagnosed.stored is None:
        raise UserError(
            f"--project is {count}, but SOURCE is read as images, expected a run or a generator file, in which"
            " images can be searched. Leave --project out, or name the run."
        )
    _check_counts(count, diagnosed.train, diagnosed.unseen)
    return diagnosed.stored


def _check_counts(count: int, train: np.ndarray, heldout: np.ndarray) -> None:
    for what, indices in (("training", train), ("held-out", heldout)):
        if len(indices) < 2:
            raise UserError(
                f"--project is {count}, but there are {len(indices)} {what} images, expected at least 2 of training"
                " and of held-out ones, copies not counted. Leave --project out, or train with --val-fraction or"
                " --subset."
            )
