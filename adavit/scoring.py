"""Scoring a generator against real images: what training and `adavit evaluate` have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from adavit.data import Channels, ImageSet, Split, default_cache_dir, load_images
from adavit.errors import UserError
from adavit.metrics import Evaluator, ExtractorName, choose_extractor
from adavit.models import Generator
from adavit.randomness import seed_for
from adavit.sampling import generated_batches
from adavit.training.console import Console

CHANNEL_NAMES: dict[int, Channels] = {1: "grey", 3: "rgb", 4: "rgba"}
"""Value of `data.channels` by number of channels."""

OFFLINE_SETS = ("small_set",)
"""Sets that are measured without downloaded weights unless the user says otherwise."""


def load_reference(source: str, flag: str, **arguments: Any) -> ImageSet:
    """`load_images`, with errors that name the flag the user gave instead of `data.source`."""
    try:
        return load_images(source, **arguments)
    except UserError as error:
        raise UserError(str(error).replace("data.source", flag)) from None


def build_evaluator(
    reference: ImageSet,
    *,
    metrics: Sequence[str],
    extractor: ExtractorName,
    inception_weights: Path | None,
    device: torch.device,
    console: Console,
    trained_on: tuple[ImageSet, Split] | None = None,
) -> Evaluator:
    """The evaluator of a reference set.

    Args:
        reference: Real images to compare with.
        metrics: Of "fid", "kid".
        extractor: What was asked for; see `adavit.metrics.choose_extractor`.
        inception_weights: Inception's weights as a file, or None.
        device: Where features are computed.
        console: Told when Inception cannot be had.
        trained_on: The images of the run and their split, for the scores of real images.

    Raises:
        UserError: If the extractor cannot be had, or the images do not allow a distance.
    """
    if extractor == "auto" and reference.name in OFFLINE_SETS and inception_weights is None:
        extractor = "random"
    network, note = choose_extractor(extractor, weights=inception_weights, device=device)
    if note:
        console.note(note)
    heldout = training = None
    if trained_on is not None:
        images, split = trained_on
        heldout = images.images[split.heldout] if len(split.heldout) else None
        used = len(split.train) + len(split.heldout)
        training = images.images[split.train] if used < len(images.images) else None
    return Evaluator(
        network,
        reference.images,
        reference_fingerprint=reference.fingerprint,
        reference_name=reference.name,
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
