"""Evaluation protocols: how a figure was measured, when two figures are comparable, and the named protocols.

A figure is worth something only beside others of the same protocol. `EvaluationProtocol` is everything that a record
depends on but the images it scores; `comparison_key` is the part of it that two figures of one column share, for
`adavit compare` and the report alike; `PROTOCOLS` says by name how many images are compared with which real ones.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from adavit.errors import UserError
from adavit.metrics.kinship import flattered_by
from adavit.metrics.names import WITHOUT_REAL_IMAGES

if TYPE_CHECKING:
    from adavit.metrics.extractors.extractor import FeatureExtractor

VERSIONED = ("adavit", "torchvision", "torch_fidelity", "numpy")


@dataclass(frozen=True)
class EvaluationProtocol:
    """How a record was measured, but for what the caller adds: seed, truncation, labels, ...

    Attributes:
        extractor: Name of the feature extractor.
        weights_digest: sha256 of its weights.
        extractor_learned_from: What they were trained on, see `adavit.metrics.kinship`.
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
        resolution: Side of the images in pixels, or height and width as "96x64".
        data_resize: How files were brought to it; None where none were.
        channels: Channels of the reference images.
        settings: How each metric was set, by its name.
        versions: Versions of the packages that the numbers depend on.
    """

    extractor: str
    weights_digest: str
    extractor_learned_from: str
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
    import torch  # seconds; records are compared without it

    installed = {name: importlib.metadata.version(name) for name in VERSIONED}
    # Torch's own names its build too; a plain string, which a checkpoint may hold.
    return {**installed, "torch": str(torch.__version__)}


def protocol_without_real_images(
    extractor: "FeatureExtractor", *, fakes: int, resolution: int | str, channels: int
) -> dict[str, Any]:
    """The protocol of metrics that look at a generator alone.

    Args:
        extractor: What they are measured with.
        fakes: Generated images, or pairs of them.
        resolution: Side of the images in pixels, or height and width as "96x64".
        channels: Channels of the images.

    Returns:
        The fields of `EvaluationProtocol`; `settings` is empty, for the caller to fill.
    """
    protocol = EvaluationProtocol(
        extractor=extractor.name,
        weights_digest=extractor.weights_digest,
        extractor_learned_from=extractor.learned_from,
        extractor_resize=extractor.resize,
        device=extractor.device.type,
        n_fake=fakes,
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
    return asdict(protocol)


INCIDENTAL = (
    *("seed", "device", "versions", "reference", "name"),
    *("n_heldout", "n_floor_reference", "n_training", "n_half"),
    *("extractor_learned_from", "discriminator_saw"),
)
"""What two records may differ in and still be compared: the draw of the images, how far a figure can be off in its last
digits, what is said about real images beside it, the names of things that a digest pins, and what the discriminator saw
where that does not flatter the figure."""

FLATTERED = "flattered_by"
"""The field of a comparison key that names the networks by which a figure is flattered."""

TRUNCATION = "truncation"
"""The field of how far styles were drawn towards their average: 1 is not at all; None of images, which do not say."""

REAL_SIDE = ("n_real", "split", "reference_fingerprint", "data_resize")
"""Fields that say nothing of a metric that compares with no real images."""


def comparison_key(
    protocol: Mapping[str, Any], metric: str, *, anyway: bool = False
) -> dict[str, Any]:
    """What two figures of a metric must have in common to stand in one column: equal keys compare.

    Labels are among it: a conditional generator is told the class of each image, an unconditional one has to find
    the classes and their shares itself, so published tables keep the two apart. Images are taken as they are, whatever
    drew them: a truncation of None is as one of 1.

    Args:
        protocol: A record's protocol; fields of None may be missing.
        metric: As in `--metrics`.
        anyway: Whether figures that a discriminator flatters compare with others all the same.

    Returns:
        Those of its fields that matter and are not None, with this metric's setting alone, and with the
        networks that flatter the figure.
    """
    without_real_side = REAL_SIDE if metric in WITHOUT_REAL_IMAGES else ()
    left_out = (*INCIDENTAL, "settings", *without_real_side)
    settings = protocol.get("settings")
    fields = {
        **{key: value for key, value in protocol.items() if key not in left_out},
        TRUNCATION: 1 if protocol.get(TRUNCATION) is None else protocol[TRUNCATION],
        "setting": settings.get(metric) if isinstance(settings, dict) else None,
        FLATTERED: None if anyway else flattered_by(protocol) or None,
    }
    return {key: _plain(value) for key, value in fields.items() if value is not None}


def key_digest(key: Mapping[str, Any]) -> str:
    """Eight hexadecimal digits that are the same for equal keys."""
    canonical = json.dumps(key, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def _plain(value: Any) -> Any:
    """A number in one form: a truncation of 1 is one of 1.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def differing_fields(
    a: Mapping[str, Any], b: Mapping[str, Any], metric: str, *, anyway: bool = False
) -> list[str]:
    """Fields in which the keys of two protocols differ.

    Args:
        a: A record's protocol.
        b: Another one's.
        metric: As in `--metrics`.
        anyway: As for `comparison_key`.

    Returns:
        Names of fields, sorted; empty if the figures compare.
    """
    first, second = (comparison_key(each, metric, anyway=anyway) for each in (a, b))
    keys = first.keys() | second.keys()
    return sorted(key for key in keys if first.get(key) != second.get(key))


Against = Literal["training set", "test split", "data", "trained on"]


@dataclass(frozen=True)
class NamedProtocol:
    """A number of generated images and a reference set under a name; flags that set either otherwise are refused.

    Attributes:
        name: As in `--protocol`.
        fakes: Generated images.
        against: "training set": all images of the run's data, also those it was not trained on;
            "test split": the other split of that data; "data": all of `--data`; "trained on": the
            images the run was trained on, without flips.
        meaning: In words, for the help.
    """

    name: str
    fakes: int
    against: Against
    meaning: str


PROTOCOLS = {
    row.name: row
    for row in (
        NamedProtocol(
            "train50k", 50_000, "training set", "50,000 fakes against all training images"
        ),
        NamedProtocol("test10k", 10_000, "test split", "10,000 against the test split"),
        NamedProtocol("quick5k", 5_000, "data", "5,000 against all of --data"),
        NamedProtocol("fewshot5k", 5_000, "trained on", "5,000 against the images trained on"),
    )
}
"""Protocols by name."""


def find_protocol(name: str) -> NamedProtocol:
    """The protocol of that name.

    Raises:
        UserError: If there is none.
    """
    if name not in PROTOCOLS:
        raise UserError(
            f"--protocol is {name!r}, expected one of {', '.join(PROTOCOLS)}. Use one of these, or"
            " --fakes and --data."
        )
    return PROTOCOLS[name]


def fakes_of(protocol: NamedProtocol | None, fakes: int | None) -> int | None:
    """How many generated images a protocol and `--fakes` ask for together; None leaves it open.

    Raises:
        UserError: If they disagree.
    """
    if protocol is None:
        return fakes
    if fakes not in (None, protocol.fakes):
        raise UserError(
            f"--fakes is {fakes}, but --protocol {protocol.name} means {protocol.fakes} generated"
            " images. Leave one of the two out."
        )
    return protocol.fakes
