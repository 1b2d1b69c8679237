"""What scores the images of a run: one evaluator for each feature network, the deciding one first."""

from functools import partial
from typing import Any

import torch

from adavit.config.run import ResolvedConfig
from adavit.data import ImageSet, Split
from adavit.errors import UserError
from adavit.evaluation.evaluator import Evaluator
from adavit.evaluation.run_images import CHANNEL_NAMES, load_reference, reading_of, resize_of
from adavit.evaluation.scoring import build_evaluator, choose_networks
from adavit.metrics.kinship import related
from adavit.runtime.console import Console


def build_evaluators(
    config: ResolvedConfig,
    images: ImageSet,
    split: Split,
    *,
    device: torch.device,
    console: Console,
) -> tuple[Evaluator, ...]:
    """The evaluators of a run; none where `metrics.names` is empty.

    Args:
        config: Of the run, with `features.seen`.
        images: All images of `data.source`.
        split: Which of them are trained on and which are held out.
        device: Where features are computed.
        console: Told what was found, and whose figures are flattered.

    Raises:
        UserError: If the weights or the data to compare with cannot be had.
    """
    metrics, seen = config.metrics, config.features.seen
    if not metrics.names:
        return ()
    reference = images
    if metrics.reference is not None:
        reference = load_reference(
            metrics.reference,
            "--metric-data",
            resolution=images.resolution,
            channels=CHANNEL_NAMES[images.channels],
            data_root=config.data.data_root,
            reading=reading_of(config),
            progress=partial(console.activity, "decoding"),
        )
        for line in reference.notes:
            console.note(f"Reference of the metrics: {line}")
    if len(reference) < 2:
        raise UserError(
            f"the metrics compare with {reference.name!r}, which has 1 image, but need at least 2 (and some"
            " hundreds to mean anything). Name others with --metric-data, or train without: --metrics none."
        )
    networks = choose_networks(
        metrics.extractor,
        seen,
        data=(images.source, reference.source),
        inception_weights=metrics.inception_weights,
        device=device,
        console=console,
    )
    flattered = [each.name for each in networks if related(seen, each.learned_from)]
    if flattered:
        console.note(
            f"Figures in features of {', '.join(flattered)} are flattered, as the discriminator has seen through"
            f" a network related to them: those of {networks[0].name} decide which generator is best."
        )
    shared: dict[str, Any] = {
        "metrics": metrics.names,
        "trained_on": (images, split),
        "data_resize": resize_of(reference.resolution, config.data.fit),
    }
    return tuple(build_evaluator(reference, extractor=each, **shared) for each in networks)
