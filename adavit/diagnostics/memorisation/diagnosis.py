"""Memorisation diagnosis: how near generated images come to training images, and how near other real images come.

A diagnostic, not a score: no known figure tells copying from poor variety (Stein et al. 2023,
arXiv:2306.04675). Hence the comparison with real images that were never trained on, and the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.diagnostics.diagnosed_images import (
    DiagnosedImages,
    OpenedDiagnosis,
    draw_indices,
    image_names,
)
from adavit.diagnostics.memorisation.chosen_images import ChosenImages
from adavit.diagnostics.memorisation.duplicates import Duplicates, find_duplicates
from adavit.diagnostics.memorisation.pairs_picture import Pair, draw_pairs
from adavit.diagnostics.memorisation.reach import Reach
from adavit.diagnostics.memorisation.training_distances import (
    DIGITS,
    PERCENTILE,
    Distances,
    Space,
    TrainingSet,
    closer_more_often,
    distances_to_training,
    feature_space,
    leave_one_out,
    pixel_space,
    summarise,
)
from adavit.errors import UserError
from adavit.evaluation.scoring import choose_network
from adavit.metrics import ExtractorName, FeatureExtractor
from adavit.metrics.extractors.names import WITH_INCEPTION
from adavit.projection.choice import check_features
from adavit.runs.directory import DiagnosticsFolder
from adavit.runtime.console import Console
from adavit.runtime.files import make_folder, write_bytes, write_json
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import counted

LEAVE_ONE_OUT_LIMIT = 5000
"""Training images whose distance to the others is taken; a percentile needs no more."""

PAIRS = 12
"""Closest pairs that are listed and drawn, each with another training image."""

CAUTION = (
    "A diagnostic, not a score: no figure tells copying from poor variety (arXiv:2306.04675), and"
    " blurred or plain images are near to everything in pixel space. Look at closest_pairs.png."
)


@takes_paths("inception_weights")
def memorisation(
    diagnosis: OpenedDiagnosis,
    *,
    extractor: ExtractorName | None = None,
    inception_weights: Path | None = None,
    project: int | None = None,
    features: str | None = None,
    features_mean: Sequence[float] | None = None,
    features_std: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Compares generated images with their nearest training images.

    In feature space and in pixel space, the distance of each generated image to its nearest training image
    is held against two others: that of each training image to the nearest other one (leave one out), and that
    of real images never trained on, which exact copies of training images are not. Close means nearer than the
    1st percentile of the former.

    With `project`, as many training and held-out images are searched for in the generator besides
    (`adavit.diagnostics.memorisation.reach`).

    Writes `memorisation.json` and `closest_pairs.png`.

    Args:
        diagnosis: Generated and real images, opened.
        extractor: As `adavit.metrics.choose_extractor`; None takes the one of the run's metrics.
        inception_weights: Inception's weights as a file.
        project: Training images to search for, and held-out ones, at most; None searches none.
        features: Network by which those are compared with what is drawn; None takes the run's.
        features_mean: Colour that is 0 to that network, as for `adavit.project`.
        features_std: What is 1 to it, likewise.

    Returns:
        What is written to `memorisation.json`.

    Raises:
        UserError: If the extractor has no weights, fewer than two different images were trained on, or nothing can
            be searched for.
    """
    diagnosed, console = diagnosis.images, diagnosis.console
    check_features(features, features_mean, features_std)
    if features is not None and project is None:
        raise UserError(
            f"--features is {features!r}, by which --project compares images, but that is not given. Add --project,"
            " or leave --features out."
        )
    reach = None
    if project is not None:
        reach = Reach(
            diagnosed,
            project,
            features,
            mean=features_mean,
            std=features_std,
            device=diagnosis.device,
            console=console,
        )
    make_folder(diagnosis.folder)
    network = _extractor(diagnosed, extractor, inception_weights, diagnosis.device, console)
    duplicates = find_duplicates(
        diagnosed.real.images,
        mirror=diagnosed.mirror,
        progress=lambda done: console.activity("looking for copies", done, len(diagnosed.real)),
    )
    never_seen = np.setdiff1d(diagnosed.unseen, duplicates.copies_of(diagnosed.train))
    left = len(diagnosed.unseen) - len(never_seen)
    if left:
        copies = counted(
            left,
            "held-out image is a copy of a training image",
            "held-out images are copies of training images",
        )
        console.note(f"{copies} and not compared.")
    diagnosed = replace(diagnosed, unseen=_one_of_each(never_seen, duplicates))
    sides = _sides(diagnosed, duplicates)
    if reach is not None:
        reach.choose(sides.training.indices.numpy(), diagnosed.unseen)
    names = image_names(diagnosed.real)
    record: dict[str, Any] = {
        "protocol": {
            **diagnosed.protocol,
            "n_heldout": len(sides.heldout),
            "n_leave_one_out": len(sides.left_out),
            "mirror": diagnosed.mirror,
            "percentile": PERCENTILE,
            "extractor": network.name,
            "weights_digest": network.weights_digest,
            "resize": network.resize,
        },
        "caution": CAUTION,
        "spaces": {},
        "duplicates": {
            **duplicates.as_record(names),
            "heldout_copies": left,
            "images": len(diagnosed.real),
            "flips_considered": diagnosed.mirror,
        },
    }
    drawn: dict[str, list[Pair]] = {}
    for space in (feature_space(network, console.activity), pixel_space()):
        figures, pairs = _compare(space, sides, diagnosed.mirror)
        listed = [_describe_pair(pair, diagnosed, sides, names) for pair in pairs]
        record["spaces"][space.name] = {**figures, "closest_pairs": listed}
        limit = f"close: below {figures['threshold']:.4g}"
        drawn[f"{space.name}: {space.unit}; {limit}"] = pairs
    if reach is not None:
        record["projection"] = reach.compare()
    files = DiagnosticsFolder(diagnosis.folder)
    write_bytes(files.closest_pairs, draw_pairs(drawn, _title(diagnosed)))
    write_json(files.memorisation, record)
    return record


@dataclass(frozen=True)
class _Sides:
    """The images that are compared.

    Attributes:
        fakes: Generated.
        training: Trained on, without exact copies.
        heldout: Real, never trained on; may be empty.
        left_out: Positions among `training` whose nearest other image is looked for.
    """

    fakes: ChosenImages
    training: ChosenImages
    heldout: ChosenImages
    left_out: Tensor


def _one_of_each(indices: np.ndarray, duplicates: Duplicates) -> np.ndarray:
    """Indices [N] in their order, of exact copies the first alone: no two are independent."""
    group_of = {index: group[0] for group in duplicates.exact for index in group}
    firsts: dict[int, int] = {}
    for index in indices.tolist():
        firsts.setdefault(group_of.get(index, index), index)
    return np.array(list(firsts.values()), dtype=np.int64)


def _sides(diagnosed: DiagnosedImages, duplicates: Duplicates) -> _Sides:
    # A second copy of a training image changes no nearest image, but would put the percentile of the
    # leave-one-out distances at 0.
    kept = _one_of_each(diagnosed.train, duplicates)
    if len(kept) < 2:
        raise UserError(
            "the training images are all the same, expected at least 2 that differ. Name the images"
            " that were trained on with --data."
        )
    seed = diagnosed.protocol["seed"]
    heldout = draw_indices(diagnosed.unseen, len(diagnosed.fakes), seed, "heldout")
    left_out = draw_indices(np.arange(len(kept)), LEAVE_ONE_OUT_LIMIT, seed, "leave one out")
    return _Sides(
        fakes=ChosenImages.of(diagnosed.fakes.numpy()),
        training=ChosenImages.of(diagnosed.real.images, kept),
        heldout=ChosenImages.of(diagnosed.real.images, heldout),
        left_out=torch.from_numpy(left_out),
    )


def _compare(space: Space, sides: _Sides, mirror: bool) -> tuple[dict[str, Any], list[Pair]]:
    training = TrainingSet.embed(sides.training, space, mirror=mirror)
    among = leave_one_out(training, sides.left_out, space)
    threshold = float(np.percentile(among.values, PERCENTILE))
    nearest = distances_to_training(space.embed(sides.fakes, "generated images"), training, space)
    generated, heldout = summarise(nearest, threshold), None
    if len(sides.heldout):
        vectors = space.embed(sides.heldout, "held-out images")
        heldout = summarise(distances_to_training(vectors, training, space), threshold)
    figures = {
        "distance": space.unit,
        "threshold": round(threshold, DIGITS),
        "leave_one_out_median": round(float(np.median(among.values)), DIGITS),
        "generated": generated,
        "heldout": heldout,
        "difference_interval": None if heldout is None else closer_more_often(generated, heldout),
    }
    return figures, _closest(nearest, sides, threshold)


def _closest(generated: Distances, sides: _Sides, threshold: float) -> list[Pair]:
    """The closest pairs, each with another training image: one that is often repeated would fill the list."""
    pairs: list[Pair] = []
    taken: set[int] = set()
    for position in np.argsort(generated.values, kind="stable"):
        owner = int(generated.owners[position])
        if owner in taken:
            continue
        taken.add(owner)
        mirrored = bool(generated.is_mirrored[position])
        image = sides.training[owner : owner + 1][0]
        pairs.append(
            Pair(
                generated=sides.fakes[position : position + 1][0],
                training=image.flip(-1) if mirrored else image,
                generated_index=int(position),
                training_index=owner,
                mirrored=mirrored,
                distance=float(generated.values[position]),
                is_close=bool(generated.values[position] < threshold),
            )
        )
        if len(pairs) == PAIRS:
            break
    return pairs


def _describe_pair(
    pair: Pair, diagnosed: DiagnosedImages, sides: _Sides, names: list[str] | None
) -> dict[str, Any]:
    index = int(sides.training.indices[pair.training_index])
    fakes = diagnosed.fake_names
    return {
        "generated": pair.generated_index if fakes is None else fakes[pair.generated_index],
        "training": index if names is None else names[index],
        "mirrored": pair.mirrored,
        "distance": round(pair.distance, DIGITS),
        "close": pair.is_close,
    }


def _extractor(
    diagnosed: DiagnosedImages,
    requested: ExtractorName | None,
    weights: Path | None,
    device: torch.device,
    console: Console,
) -> FeatureExtractor:
    """What was asked for, else the network of the run's metrics."""
    if requested is None and weights is None and diagnosed.config is not None:
        networks = diagnosed.config.metrics.extractor
        # The random one knows no objects.
        requested = next((name for name in networks if name != "random"), "random")
        if requested in WITH_INCEPTION:
            weights = diagnosed.config.metrics.inception_weights
    return choose_network(
        requested or "auto",
        data=(diagnosed.real.source,),
        inception_weights=weights,
        device=device,
        console=console,
    )


def _title(diagnosed: DiagnosedImages) -> str:
    protocol = diagnosed.protocol
    return (
        f"{protocol['source']}: the closest of {protocol['n_fake']:,} generated images to"
        f" {protocol['n_train']:,} training images"
    )
