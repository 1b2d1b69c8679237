"""The protocol of a record: everything that a figure depends on but the images it judges."""

import importlib.metadata
from dataclasses import dataclass, fields
from typing import Any

import torch

from adavit.metrics.extractors.extractor import FeatureExtractor

VERSIONED = ("adavit", "torchvision", "torch_fidelity", "numpy")


@dataclass(frozen=True)
class EvaluationProtocol:
    """How a record was measured, but for what the caller adds: seed, truncation, labels, ...

    Attributes:
        extractor: Name of the feature extractor.
        weights_digest: sha256 of its weights.
        extractor_resize: How it resizes what it sees.
        device: "cpu" or "cuda"; the same images score alike on both, but not to the bit.
        n_fake: Generated images.
        n_real: Reference images; None where none are needed.
        n_heldout: Held-out images of the floor; None where there is no floor.
        n_floor_reference: Reference images left for the floor; None where there is no floor.
        n_training: Images of the training score; None where there is none.
        n_half: Images in each half of the halves score; None where there is none.
        reference: Name of the reference set; None where none is needed.
        split: Which part of it: "train", "test", ... of a named set, "all", "trained on",
            "generated"; None where none is needed.
        reference_fingerprint: Content digest of the reference set, as the caller knows it.
        resolution: Side of the images in pixels, or "height x width".
        data_resize: How files were brought to it; None where none were.
        channels: Channels of the reference images.
        settings: How each metric was set, by its name.
        versions: Versions of the packages that the numbers depend on.
    """

    extractor: str
    weights_digest: str
    extractor_resize: str
    device: str
    n_fake: int
    n_real: int | None
    n_heldout: int | None
    n_floor_reference: int | None
    n_training: int | None
    n_half: int | None
    reference: str | None
    split: str | None
    reference_fingerprint: str | None
    resolution: int | str
    data_resize: str | None
    channels: int
    settings: dict[str, str]
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Installed versions of the packages that figures depend on."""
    installed = {name: importlib.metadata.version(name) for name in VERSIONED}
    # Torch's own names its build too; a plain string, which a checkpoint may hold.
    return {**installed, "torch": str(torch.__version__)}


def path_protocol(
    extractor: FeatureExtractor, *, pairs: int, resolution: int, channels: int
) -> dict[str, Any]:
    """The protocol of a path length, which needs no real images.

    Args:
        extractor: What it is measured with.
        pairs: How many steps are measured.
        resolution: Side of the images in pixels.
        channels: Channels of the images.

    Returns:
        The fields of `EvaluationProtocol`; `settings` is empty, for the caller to fill.
    """
    protocol = EvaluationProtocol(
        extractor=extractor.name,
        weights_digest=extractor.weights_digest,
        extractor_resize=extractor.resize,
        device=extractor.device.type,
        n_fake=pairs,
        n_real=None,
        n_heldout=None,
        n_floor_reference=None,
        n_training=None,
        n_half=None,
        reference=None,
        split=None,
        reference_fingerprint=None,
        resolution=resolution,
        data_resize=None,
        channels=channels,
        settings={},
        versions=versions(),
    )
    return {field.name: getattr(protocol, field.name) for field in fields(protocol)}


# What two records may differ in and still be compared: the draw of the images, how far the figure
# can be off in its last digits, what is said about real images beside it, and the names of things
# that a digest pins.
INCIDENTAL = (
    *("seed", "device", "versions", "reference", "name"),
    *("n_heldout", "n_floor_reference", "n_training", "n_half"),
)


REAL_SIDE = ("n_real", "split", "reference_fingerprint", "data_resize")
"""Fields that say nothing of a metric without a real side."""

WITHOUT_REAL_SIDE = ("ppl", "is")


def comparable_part(protocol: dict[str, Any], metric: str) -> dict[str, Any]:
    """What two figures of a metric must have in common to be compared.

    Args:
        protocol: A record's protocol.
        metric: As in `--metrics`.

    Returns:
        Those of its fields that matter, with this metric's setting alone.
    """
    left_out = (*INCIDENTAL, "settings", *(REAL_SIDE if metric in WITHOUT_REAL_SIDE else ()))
    part = {key: value for key, value in protocol.items() if key not in left_out}
    settings = protocol.get("settings")
    part["setting"] = settings.get(metric) if isinstance(settings, dict) else None
    if part.get("labels") is None:  # images without classes have no distribution of labels
        part.pop("labels", None)
    return part


def differing_fields(a: dict[str, Any], b: dict[str, Any], metric: str) -> list[str]:
    """Fields in which two protocols differ so that figures of a metric cannot be compared.

    Args:
        a: A record's protocol.
        b: Another one's.
        metric: As in `--metrics`.

    Returns:
        Names of fields, sorted; empty if the figures compare.
    """
    first, second = comparable_part(a, metric), comparable_part(b, metric)
    keys = first.keys() | second.keys()
    if "labels" not in first or "labels" not in second:
        keys -= {"labels"}
    return sorted(key for key in keys if first.get(key) != second.get(key))
