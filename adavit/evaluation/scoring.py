"""Scoring a generator against real images: what training and `adavit evaluate` have in common."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from adavit.data import ImageSet, Split
from adavit.data.files.members import printable
from adavit.data.known_names import is_drawn
from adavit.errors import UserError
from adavit.evaluation.evaluator import Evaluator, GivesImages
from adavit.evaluation.run_images import split_name
from adavit.generation.sampling import generated_batches, share_of_batches
from adavit.metrics import (
    ExtractorName,
    FeatureExtractor,
    choose_extractor,
)
from adavit.metrics.extractors.extractor import RecognisingExtractor
from adavit.metrics.extractors.names import WITH_INCEPTION
from adavit.metrics.kinship import related
from adavit.metrics.names import RECOGNITION
from adavit.models import Generator
from adavit.runs.records import BESIDE
from adavit.runtime.cache_folder import default_cache_dir
from adavit.runtime.console import Console
from adavit.runtime.randomness import seed_for
from adavit.runtime.world import ALONE, World


def choose_network(
    extractor: ExtractorName,
    *,
    data: Sequence[str],
    inception_weights: Path | None,
    device: torch.device,
    console: Console,
) -> FeatureExtractor:
    """The feature network that was asked for.

    Args:
        extractor: See `adavit.metrics.choose_extractor`.
        data: Sources of the real images that are compared or trained on; where all are `small_set`, "auto" is
            the extractor that knows its drawings.
        inception_weights: Inception's weights as a file, or None.
        device: Where features are computed.
        console: Told when Inception cannot be had.

    Raises:
        UserError: If it cannot be had, or knows nothing of such data.
    """
    others = [source for source in data if not is_drawn(source)]
    if extractor == "auto" and data and not others and inception_weights is None:
        extractor = "drawn"
    if extractor == "drawn" and others:
        raise UserError(
            f"extractor is drawn, but of {printable(others[0])!r} it knows nothing, expected drawings of small_set."
            " Use extractor auto or random."
        )
    network, note = choose_extractor(extractor, weights=inception_weights, device=device)
    if note:
        console.note(note)
    return network


def choose_networks(
    extractors: Sequence[ExtractorName],
    seen: Sequence[str],
    *,
    inception_weights: Path | None,
    **arguments: Any,
) -> list[FeatureExtractor]:
    """The feature networks that were asked for, and one that the discriminator has not seen, which comes first.

    Args:
        extractors: See `adavit.metrics.choose_extractor`.
        seen: Networks that the discriminator has seen through.
        inception_weights: Inception's weights as a file, or None.
        arguments: The others of `choose_network`.

    Returns:
        Each network once: those related to none that was seen, then the others, each in the order asked
        for; the random one first where there is none of the former.

    Raises:
        UserError: If one cannot be had, or none of them has a use for the weights.
    """
    # Where none has a use for weights, it is a mistake to give any, which the first of them says.
    users = [name for name in extractors if name in WITH_INCEPTION] or extractors
    asked = [
        choose_network(
            name,
            inception_weights=inception_weights if name in users else None,
            **arguments,
        )
        for name in extractors
    ]
    networks = list({network.name: network for network in asked}.values())
    flattered = [network for network in networks if related(seen, network.learned_from)]
    if not flattered:
        return networks
    others = [network for network in networks if network not in flattered]
    if not others:
        others = [choose_network("random", inception_weights=None, **arguments)]
    return [*others, *flattered]


def build_evaluator(
    reference: ImageSet,
    *,
    metrics: Sequence[str],
    extractor: FeatureExtractor,
    trained_on: tuple[ImageSet, Split] | None = None,
    split: str | None = None,
    data_resize: str | None = None,
) -> Evaluator:
    """The evaluator of a reference set.

    Args:
        reference: Real images to compare with.
        metrics: Names in `adavit.metrics.measures.MEASURES`; those of `RECOGNITION` come with an extractor
            that recognises things, in images of a shape at which it does.
        extractor: From `choose_network`.
        trained_on: The images of the run and their split, for the scores of real images: of those held out, and where
            these images are the reference also of those trained on.
        split: Which part of its set the reference is; None finds it out.
        data_resize: How files were brought to their size; None where none were.

    Raises:
        UserError: If the images do not allow a distance.
    """
    heldout: GivesImages | None = None
    training: GivesImages | None = None
    if trained_on is not None:
        images, parts = trained_on
        pixels, own = images.images, images.fingerprint == reference.fingerprint
        if len(parts.heldout):
            heldout = partial(pixels.__getitem__, parts.heldout)
        if own and len(parts.train) + len(parts.heldout) < len(pixels):
            training = partial(pixels.__getitem__, parts.train)
    shape = reference.images.shape[1:]
    recognises = isinstance(extractor, RecognisingExtractor) and extractor.knows(*shape)
    recognised = RECOGNITION if recognises else ()
    return Evaluator(
        extractor,
        reference.images,
        reference_fingerprint=reference.fingerprint,
        reference_name=reference.name,
        split=split or split_name(reference),
        data_resize=data_resize,
        metrics=tuple(dict.fromkeys((*metrics, *recognised))),
        heldout_images=heldout,
        training_images=training,
        cache_dir=default_cache_dir(),
    )


def generator_protocol(generator: Generator, *, seed: int, truncation: float) -> dict[str, Any]:
    """Entries of a protocol on how images were drawn, and what the generator was judged through."""
    return {
        "seed": seed,
        "truncation": truncation,
        "labels": "training images" if generator.num_classes else None,
        "discriminator_saw": list(generator.discriminator_saw) or None,
    }


def score_generator(
    evaluators: Sequence[Evaluator], generator: Generator, **arguments: Any
) -> dict[str, Any]:
    """Scores images of a generator in several feature spaces; the same seed gives the same figures on one device.

    Args:
        evaluators: The first of them leads.
        generator: In evaluation mode.
        arguments: Of `score_with`.

    Returns:
        The record of the first; those of the others are its list "beside", if there are any.

    Raises:
        Interrupted: If asked to stop.
    """
    leading, *beside = [score_with(each, generator, **arguments) for each in evaluators]
    return leading | ({BESIDE: beside} if beside else {})


def score_with(
    evaluator: Evaluator,
    generator: Generator,
    *,
    fakes: int,
    seed: int,
    label_counts: Sequence[int] | None = None,
    truncation: float = 1.0,
    progress: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    world: World = ALONE,
) -> dict[str, Any]:
    """Scores `fakes` images of a generator; the same seed gives the same figure on one device.

    Args:
        evaluator: Holds the real side.
        generator: In evaluation mode.
        fakes: Generated images.
        seed: Of the run; the stream of evaluations has its own key.
        label_counts: Training images of each class, for a conditional generator.
        truncation: Factor on the distance of w from its average; 1 is none.
        progress: Called with the number of images done.
        should_stop: Asked between batches.
        world: Processes that have the same generator and draw a part of the images each; the figures do not depend
            on their number.

    Returns:
        The record of `Evaluator.evaluate`, with seed, truncation and labels in its protocol.

    Raises:
        Interrupted: If `should_stop` returned True in any of them.
    """
    stream = seed_for(seed, "evaluation", 0)
    generated = generated_batches(
        generator,
        fakes,
        seed=stream,
        label_counts=label_counts,
        truncation=truncation,
        chosen=share_of_batches(fakes, rank=world.rank, size=world.size),
    )
    return evaluator.evaluate(
        generated,
        protocol=generator_protocol(generator, seed=seed, truncation=truncation),
        progress=progress,
        should_stop=should_stop,
        world=world,
    )
