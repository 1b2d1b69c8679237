"""Scoring a generator against real images: what training and `adavit evaluate` have in common."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.data import Channels, ImageSet, Split, default_cache_dir, load_images
from adavit.data.named_sets import TORCHVISION_SETS
from adavit.errors import UserError
from adavit.evaluation.evaluator import Evaluator
from adavit.generation.sampling import generated_batches
from adavit.metrics import ExtractorName, FeatureExtractor, choose_extractor
from adavit.metrics.extractors.extractor import exact_arithmetic
from adavit.metrics.path_length import EPSILON, path_length
from adavit.models import Generator
from adavit.runtime.console import Console
from adavit.runtime.randomness import generator_for, seed_for

CHANNEL_NAMES: dict[int, Channels] = {1: "grey", 3: "rgb", 4: "rgba"}
"""Value of `data.channels` by number of channels."""

RESIZE = "centre square, Lanczos"
"""How `load_images` brings files to their resolution, for the record."""

OFFLINE_SETS = ("small_set",)
"""Sets that are measured without downloaded weights unless the user says otherwise."""


def load_reference(source: str, flag: str, **arguments: Any) -> ImageSet:
    """`load_images`, with errors that name the flag the user gave instead of `data.source`."""
    try:
        return load_images(source, **arguments)
    except UserError as error:
        raise UserError(str(error).replace("data.source", flag)) from None


def split_name(images: ImageSet) -> str:
    """Which part of a named set images are, such as "train" or "test"; "all" of any other set."""
    name, _, split = images.source.partition(":")
    if name not in TORCHVISION_SETS:
        return "all"
    return split or next(iter(TORCHVISION_SETS[name].splits))


def choose_network(
    extractor: ExtractorName,
    *,
    reference_name: str | None,
    inception_weights: Path | None,
    device: torch.device,
    console: Console,
) -> FeatureExtractor:
    """The feature network that was asked for.

    Args:
        extractor: See `adavit.metrics.choose_extractor`.
        reference_name: Name of the reference set, or None; some are measured offline.
        inception_weights: Inception's weights as a file, or None.
        device: Where features are computed.
        console: Told when Inception cannot be had.

    Raises:
        UserError: If it cannot be had.
    """
    if extractor == "auto" and reference_name in OFFLINE_SETS and inception_weights is None:
        extractor = "random"
    network, note = choose_extractor(extractor, weights=inception_weights, device=device)
    if note:
        console.note(note)
    return network


def build_evaluator(
    reference: ImageSet,
    *,
    metrics: Sequence[str],
    extractor: ExtractorName | FeatureExtractor,
    inception_weights: Path | None,
    device: torch.device,
    console: Console,
    trained_on: tuple[ImageSet, Split] | None = None,
    split: str | None = None,
    data_resize: str | None = RESIZE,
) -> Evaluator:
    """The evaluator of a reference set.

    Args:
        reference: Real images to compare with.
        metrics: Names in `adavit.metrics.measures.MEASURES`.
        extractor: What was asked for, see `adavit.metrics.choose_extractor`; or the network itself.
        inception_weights: Inception's weights as a file, or None.
        device: Where features are computed.
        console: Told when Inception cannot be had.
        trained_on: The images of the run and their split, for the scores of real images.
        split: Which part of its set the reference is; None finds it out.
        data_resize: How files were brought to their size; None where none were.

    Raises:
        UserError: If the extractor cannot be had, or the images do not allow a distance.
    """
    if isinstance(extractor, str):
        extractor = choose_network(
            extractor,
            reference_name=reference.name,
            inception_weights=inception_weights,
            device=device,
            console=console,
        )
    heldout = training = None
    if trained_on is not None:
        images, parts = trained_on
        heldout = images.images[parts.heldout] if len(parts.heldout) else None
        used = len(parts.train) + len(parts.heldout)
        training = images.images[parts.train] if used < len(images.images) else None
    return Evaluator(
        extractor,
        reference.images,
        reference_fingerprint=reference.fingerprint,
        reference_name=reference.name,
        split=split or split_name(reference),
        data_resize=data_resize,
        metrics=metrics,
        heldout_images=heldout,
        training_images=training,
        cache_dir=default_cache_dir() / "features",
    )


def score_generator(
    evaluator: Evaluator,
    generator: Generator,
    *,
    fakes: int,
    seed: int,
    label_counts: Sequence[int] | None = None,
    truncation: float = 1.0,
    progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Scores `fakes` images of a generator; the same seed gives the same figure.

    Args:
        evaluator: Holds the real side.
        generator: In evaluation mode.
        fakes: Generated images.
        seed: Of the run; the stream of evaluations has its own key.
        label_counts: Training images of each class, for a conditional generator.
        truncation: Factor on the distance of w from its average; 1 is none.
        progress: Called with the number of images done.
        should_stop: Asked between batches.

    Returns:
        The record of `Evaluator.evaluate`, with seed, truncation and labels in its protocol.

    Raises:
        Interrupted: If `should_stop` returned True.
    """
    stream = seed_for(seed, "evaluation", 0)
    generated = generated_batches(
        generator, fakes, seed=stream, label_counts=label_counts, truncation=truncation
    )
    drawn = "training images" if generator.num_classes else None
    return evaluator.evaluate(
        generated,
        protocol={"seed": seed, "truncation": truncation, "labels": drawn},
        progress=progress,
        should_stop=should_stop,
    )


def score_paths(
    extractor: FeatureExtractor,
    generator: Generator,
    *,
    pairs: int,
    seed: int,
    label_counts: Sequence[int] | None = None,
    truncation: float = 1.0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, float]:
    """Perceptual path length of a generator, see `adavit.metrics.path_length`.

    Args:
        extractor: One that takes unrounded images.
        generator: In evaluation mode; its fixed noise is used, so that only w moves the images.
        pairs: How many steps are measured.
        seed: Of the run; the stream of paths has its own key.
        label_counts: Training images of each class, for a conditional generator.
        truncation: Factor on the distance of w from its average; 1 is none.
        progress: Called with the number of pairs done.

    Returns:
        Figures by the ending of their names.
    """
    drawn = _path_pairs(generator, pairs, seed, label_counts, truncation)
    return path_length(drawn, extractor, progress=progress)


PATH_BATCH = 32


def _path_pairs(
    generator: Generator,
    pairs: int,
    seed: int,
    label_counts: Sequence[int] | None,
    truncation: float,
) -> Iterator[tuple[Tensor, Tensor]]:
    device = generator.w_average.device
    stream = generator_for(seed, "path length", 0, device)
    choice = np.random.Generator(np.random.PCG64(seed_for(seed, "path length labels", 0)))
    for start in range(0, pairs, PATH_BATCH):
        size = min(PATH_BATCH, pairs - start)
        latents = torch.randn(2 * size, generator.latent_dim, generator=stream, device=device)
        labels = None
        if generator.num_classes:
            if label_counts is None:
                raise ValueError("The generator is conditional, expected the counts of its labels.")
            shares = np.array(label_counts) / np.sum(label_counts)
            drawn = torch.from_numpy(choice.choice(len(shares), size, p=shares)).to(device)
            labels = torch.cat([drawn, drawn])  # a step within a class
        with exact_arithmetic():  # TF32 would round the step away
            w = generator.mapping(latents, labels)
            w = torch.lerp(generator.w_average, w, truncation)
            first, other = w.chunk(2)
            both = torch.cat([first, torch.lerp(first, other, EPSILON)])
            images = generator.synthesis(both)
        yield images[:size], images[size:]
