"""Metrics of a generator itself, which draw images of their own: path length. No real images are compared."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from adavit.generation.sampling import LabelStream, part_size
from adavit.metrics.extractors.extractor import FeatureExtractor, exact_arithmetic
from adavit.metrics.names import recorded_name
from adavit.metrics.path_length import EPSILON, SETTING, path_length, smooth
from adavit.models import Generator
from adavit.runtime.randomness import generator_for, seed_for

PATH_BATCH = 32
"""Pairs at a time. Fixed, as `adavit.generation.sampling.BATCH` is."""


class GeneratorMeasure(Protocol):
    """A metric of a generator.

    Attributes:
        activity: What it does while it takes time, in words.
        setting: How it is measured, for the protocol.
    """

    activity: str
    setting: str

    def check_extractor(self, extractor: FeatureExtractor) -> None:
        """Refuses features that it cannot be made of.

        Raises:
            UserError: If `extractor` lacks what it needs.
        """
        ...

    def figures(
        self,
        generator: Generator,
        extractor: FeatureExtractor,
        *,
        count: int,
        seed: int,
        label_counts: Sequence[int] | None,
        truncation: float,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, float]:
        """Computes the figures.

        Args:
            generator: In evaluation mode.
            extractor: One that `check_extractor` lets pass.
            count: How many images, or pairs of them.
            seed: Of the run; each measure's stream has its own key.
            label_counts: Training images of each class, for a conditional generator.
            truncation: Factor on the distance of w from its average; 1 is none.
            progress: Called with the number done.

        Returns:
            Figures by the ending of their names: "" is the metric itself, "_std" its spread.
        """
        ...


class PathLength:
    """Perceptual path length: `adavit.metrics.path_length`, over random steps in w with the fixed noise."""

    activity = "walking paths"
    setting = SETTING

    def check_extractor(self, extractor: FeatureExtractor) -> None:
        """See `GeneratorMeasure`: it needs images that are not rounded."""
        smooth(extractor)

    def figures(
        self,
        generator: Generator,
        extractor: FeatureExtractor,
        *,
        count: int,
        seed: int,
        label_counts: Sequence[int] | None,
        truncation: float,
        progress: Callable[[int], None] | None = None,
    ) -> dict[str, float]:
        """See `GeneratorMeasure`; `count` pairs."""
        pairs = _path_pairs(generator, count, seed, label_counts, truncation)
        return path_length(pairs, extractor, progress=progress)


GENERATOR_MEASURES: dict[str, GeneratorMeasure] = {"ppl": PathLength()}
"""Metrics by name, beside `adavit.metrics.measures.MEASURES`."""


def generator_figures(
    metrics: Sequence[str],
    generator: Generator,
    network: FeatureExtractor,
    *,
    progress: Callable[[str, int], None],
    **arguments: Any,
) -> tuple[dict[str, float], dict[str, str]]:
    """Figures of a generator by recorded name, and the setting of each metric.

    Args:
        metrics: Names in `GENERATOR_MEASURES`, each of which the network can measure.
        generator: In evaluation mode.
        network: What they are measured with.
        progress: Told what is done, and how often it was.
        arguments: The others of `GeneratorMeasure.figures`.
    """
    found: dict[str, float] = {}
    for metric in metrics:
        measure = GENERATOR_MEASURES[metric]
        tell = partial(progress, measure.activity)
        figures = measure.figures(generator, network, progress=tell, **arguments)
        name = recorded_name(metric, network.name)
        found |= {name + ending: figure for ending, figure in figures.items()}
    return found, {metric: GENERATOR_MEASURES[metric].setting for metric in metrics}


def _path_pairs(
    generator: Generator,
    pairs: int,
    seed: int,
    label_counts: Sequence[int] | None,
    truncation: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    device = generator.w_average.device
    stream = generator_for(seed, "path length", 0, device)
    classes = LabelStream.of(generator, label_counts, seed_for(seed, "path length labels", 0))
    for start in range(0, pairs, PATH_BATCH):
        size = min(PATH_BATCH, pairs - start)
        latents = torch.randn(2 * size, generator.latent_dim, generator=stream, device=device)
        labels = None
        if classes is not None:
            drawn = classes.draw(size).to(device)
            labels = torch.cat([drawn, drawn])  # a step within a class
        with exact_arithmetic():  # TF32 would round the step away
            w = generator.mapping(latents, labels)
            w = torch.lerp(generator.w_average, w, truncation)
            first, other = w.chunk(2)
            both = torch.cat([first, torch.lerp(first, other, EPSILON)])
            images = torch.cat([generator.synthesis(w) for w in both.split(part_size(generator))])
        yield images[:size], images[size:]
