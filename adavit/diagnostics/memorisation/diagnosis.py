"""Does a generator repeat its training images? Their nearest neighbours, looked at from both sides.

A diagnostic, not a score: no known figure tells copying from poor variety (Stein et al. 2023,
arXiv:2306.04675). Hence the comparison with real images that were never trained on, and the picture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from adavit.diagnostics.diagnosed_images import (
    DiagnosedImages,
    draw_indices,
    image_names,
    open_diagnosis,
)
from adavit.diagnostics.memorisation.duplicates import Duplicates, find_duplicates
from adavit.diagnostics.memorisation.pairs_picture import Pair, draw_pairs
from adavit.diagnostics.memorisation.training_distances import (
    DIGITS,
    PERCENTILE,
    Distances,
    Space,
    TrainingSet,
    distances_to_training,
    feature_space,
    leave_one_out,
    pixel_space,
    summarise,
)
from adavit.errors import UserError
from adavit.evaluation.scoring import choose_network
from adavit.metrics import ExtractorName, FeatureExtractor
from adavit.runs.directory import DiagnosticsFolder
from adavit.runtime.console import Console
from adavit.runtime.files import make_folder, write_bytes, write_json

LEAVE_ONE_OUT_LIMIT = 5000
"""Training images whose distance to the others is taken; a percentile needs no more."""

PAIRS = 12
"""Closest pairs that are listed and drawn, each with another training image."""

CAUTION = (
    "A diagnostic, not a score: no figure tells copying from poor variety (arXiv:2306.04675), and"
    " blurred or plain images are near to everything in pixel space. Look at closest_pairs.png."
)


def memorisation(
    source: str,
    *,
    data: str | None = None,
    fakes: int | None = None,
    extractor: ExtractorName | None = None,
    inception_weights: Path | None = None,
    which: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
    data_root: Path | None = None,
    device: str = "auto",
    console: Console | None = None,
) -> dict[str, Any]:
    """Compares generated images with their nearest training images.

    In feature space and in pixel space, the distance of each generated image to its nearest training image
    is held against two others: that of each training image to the nearest other one (leave one out), and that
    of real images never trained on. Close means nearer than the 1st percentile of the former.

    Writes `memorisation.json` and `closest_pairs.png`.

    Args:
        source: A run directory, a generator file, or a folder or zip of generated images.
        data: Real images; None takes those that the run was trained on. Without a run all of them are
            taken for training images.
        fakes: Generated images; None takes as many as the run's metrics, or all of a folder's.
        extractor: As `adavit.metrics.choose_extractor`; None takes the one of the run's metrics.
        inception_weights: Inception's weights as a file.
        which: "best" or "last" generator of a run; None is the best.
        seed: Start of the random streams; None takes the run's.
        out: Folder to write to; None is `diagnostics` in the run directory.
        data_root: Where downloaded sets are kept.
        device: As `adavit.runtime.devices.choose_device`.
        console: Told how it goes; None says nothing.

    Returns:
        What is written to `memorisation.json`.

    Raises:
        UserError: If something is absent or does not fit.
    """
    opened = open_diagnosis(
        source,
        data=data,
        fakes=fakes,
        which=which,
        seed=seed,
        out=out,
        data_root=data_root,
        device=device,
        console=console,
    )
    material, console = opened.images, opened.console
    make_folder(opened.folder)
    network = _extractor(material, extractor, inception_weights, opened.device, console)
    duplicates = find_duplicates(
        material.real.images,
        mirror=material.mirror,
        progress=lambda done: console.activity("looking for copies", done, len(material.real)),
    )
    sides = _sides(material, duplicates)
    names = image_names(material.real)
    record: dict[str, Any] = {
        "protocol": {
            **material.protocol,
            "n_heldout": len(sides.heldout),
            "n_leave_one_out": len(sides.left_out),
            "mirror": material.mirror,
            "percentile": PERCENTILE,
            "extractor": network.name,
            "weights_digest": network.weights_digest,
            "resize": network.resize,
        },
        "caution": CAUTION,
        "spaces": {},
        "duplicates": {
            **duplicates.as_record(names),
            "images": len(material.real),
            "flips_considered": material.mirror,
        },
    }
    drawn: dict[str, list[Pair]] = {}
    for space in (feature_space(network, console.activity), pixel_space()):
        figures, pairs = _compare(space, sides, material.mirror)
        listed = [_describe_pair(pair, material, sides, names) for pair in pairs]
        record["spaces"][space.name] = {**figures, "closest_pairs": listed}
        limit = f"close: below {figures['threshold']:.4g}"
        drawn[f"{space.name}: {space.unit}; {limit}"] = pairs
    files = DiagnosticsFolder(opened.folder)
    write_bytes(files.closest_pairs, draw_pairs(drawn, _title(material)))
    write_json(files.memorisation, record)
    return record


@dataclass(frozen=True)
class _Sides:
    """The images that are compared.

    Attributes:
        fakes: Generated, uint8 [N, C, R, R].
        training: Trained on, without exact copies, uint8.
        training_indices: Where in the data those are.
        heldout: Real, never trained on, uint8; may be empty.
        left_out: Positions among `training` whose nearest other image is looked for.
    """

    fakes: Tensor
    training: Tensor
    training_indices: np.ndarray
    heldout: Tensor
    left_out: Tensor


def _sides(material: DiagnosedImages, duplicates: Duplicates) -> _Sides:
    # A second copy of a training image changes no nearest image, but would put the percentile of the
    # leave-one-out distances at 0.
    kept: list[int] = []
    seen: set[int] = set()
    group_of = {index: group[0] for group in duplicates.exact for index in group}
    for index in material.train.tolist():
        if group_of.get(index, index) not in seen:
            seen.add(group_of.get(index, index))
            kept.append(index)
    if len(kept) < 2:
        raise UserError(
            f"the training images are {len(kept)} different image, expected at least 2. Name the"
            " images that were trained on with --data."
        )
    seed = material.protocol["seed"]
    heldout = draw_indices(material.unseen, len(material.fakes), seed, "heldout")
    left_out = draw_indices(np.arange(len(kept)), LEAVE_ONE_OUT_LIMIT, seed, "leave one out")
    return _Sides(
        fakes=material.fakes,
        training=_images(material, np.array(kept)),
        training_indices=np.array(kept),
        heldout=_images(material, heldout),
        left_out=torch.from_numpy(left_out),
    )


def _images(material: DiagnosedImages, indices: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(material.real.images[indices]))


def _compare(space: Space, sides: _Sides, mirror: bool) -> tuple[dict[str, Any], list[Pair]]:
    training = TrainingSet.embed(sides.training, space, mirror=mirror)
    among = leave_one_out(training, sides.left_out, space)
    threshold = float(np.percentile(among.values, PERCENTILE))
    generated = distances_to_training(space.embed(sides.fakes, "generated images"), training, space)
    heldout = None
    if len(sides.heldout):
        vectors = space.embed(sides.heldout, "held-out images")
        heldout = summarise(distances_to_training(vectors, training, space), threshold)
    figures = {
        "distance": space.unit,
        "threshold": round(threshold, DIGITS),
        "leave_one_out_median": round(float(np.median(among.values)), DIGITS),
        "generated": summarise(generated, threshold),
        "heldout": heldout,
    }
    return figures, _closest(generated, sides, threshold)


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
        image = sides.training[owner]
        pairs.append(
            Pair(
                generated=sides.fakes[position],
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
    pair: Pair, material: DiagnosedImages, sides: _Sides, names: list[str] | None
) -> dict[str, Any]:
    index = int(sides.training_indices[pair.training_index])
    fakes = material.fake_names
    return {
        "generated": pair.generated_index if fakes is None else fakes[pair.generated_index],
        "training": index if names is None else names[index],
        "mirrored": pair.mirrored,
        "distance": round(pair.distance, DIGITS),
        "close": pair.is_close,
    }


def _extractor(
    material: DiagnosedImages,
    requested: ExtractorName | None,
    weights: Path | None,
    device: torch.device,
    console: Console,
) -> FeatureExtractor:
    """What was asked for, else the network of the run's metrics."""
    if requested is None and weights is None and material.config is not None:
        requested = material.config.metrics.extractor
        weights = material.config.metrics.inception_weights
    return choose_network(
        requested or "auto",
        reference_name=material.real.name,
        inception_weights=weights,
        device=device,
        console=console,
    )


def _title(material: DiagnosedImages) -> str:
    protocol = material.protocol
    return (
        f"{protocol['source']}: the closest of {protocol['n_fake']:,} generated images to"
        f" {protocol['n_train']:,} training images"
    )
