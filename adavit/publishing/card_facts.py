"""What a card says of a generator, from its file and from the records of its run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adavit.data.known_names import has_known_name
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.metrics.kinship import flattered_by
from adavit.publishing.plain_generator import Sizes
from adavit.runs.directory import RunDirectory
from adavit.runs.generator_file import StoredGenerator
from adavit.runs.reading import mapping, read_json, text
from adavit.runs.records import figures, is_record, parts, read_evaluations
from adavit.runs.shared_names import HERE, PATH_SETTINGS, TRUNK


@dataclass(frozen=True)
class CardFigure:
    """A figure with what it was measured under.

    Attributes:
        name: As recorded, for example "fd_random".
        value: The figure.
        protocol: Fields of the record's protocol; nothing in it names files.
        flattered: Whether the discriminator saw a network that flatters it.
    """

    name: str
    value: float
    protocol: dict[str, Any]
    flattered: bool


@dataclass(frozen=True)
class CardFacts:
    """All that a card is made of.

    Attributes:
        stored: The generator.
        sizes: Arguments of its network.
        digest: Of its weights, as records of evaluations hold it.
        data_name: Of a set that is known by name; "" for files of one's own, whose names are not told.
        data: Counts of `data.json`; empty where the file lies in no run.
        environment: Versions and the kind of device of its run; likewise.
        settings: All settings, by section, without those that are paths.
        seen: Networks trained on other images that it was judged through.
        transferred: Whether training began from networks of another run.
        origin: Name and digest of the file that it was imported from; "" if adavit has trained it.
        figures: Of these very weights.
        copies: What `adavit memorisation` has found about these very weights and the images they were trained on;
            empty where it was not run on both.
    """

    stored: StoredGenerator
    sizes: Sizes
    digest: str
    data_name: str
    data: dict[str, Any]
    environment: dict[str, Any]
    settings: dict[str, dict[str, Any]]
    seen: tuple[str, ...]
    transferred: bool
    origin: str
    figures: tuple[CardFigure, ...]
    copies: dict[str, Any]


PROTOCOL_FIELDS = (
    *("name", "n_fake", "n_real", "split", "resolution", "extractor", "weights_digest"),
    *("truncation", "labels", "seed", "reference_fingerprint"),
)
"""Fields of a protocol that a card holds; the name of the reference is not among them, since it may be a file's."""

COPY_FIELDS = (
    *("n_fake", "n_train", "n_leave_one_out", "percentile"),
    *("extractor", "weights_digest", "truncation"),
)
"""Likewise, of a record of `adavit memorisation`."""

DATA_FIELDS = ("images", "training_images", "heldout_images", "resolution", "channels")
"""Counts of `data.json` that a card holds."""


def card_facts(stored: StoredGenerator) -> CardFacts:
    """Gathers what is known of a generator; what is absent or damaged of its run's records is left out.

    Args:
        stored: As read; its run is the folder that it lies in, if that is one.
    """
    digest = tensors_digest(stored.generator.state_dict())
    run = RunDirectory(stored.path.parent)
    of_run = run.is_run() and run.is_generator(stored.path)
    records = [stored.metric] if is_record(stored.metric) else []
    if of_run:
        records += [
            record
            for record in read_evaluations(run.evaluations)
            if mapping(record.get("source")).get("fingerprint") == digest
        ]
    return CardFacts(
        stored=stored,
        sizes=stored.arguments,
        digest=digest,
        data_name=_known_name(text(mapping(stored.config.get("data")).get("source"))),
        data=_picked(read_json(run.data), DATA_FIELDS) if of_run else {},
        environment=_environment(run) if of_run else {},
        settings=_without_paths(stored.config),
        seen=tuple(map(_public, stored.generator.discriminator_saw)),
        transferred=bool(mapping(stored.config.get("training")).get("transfer")),
        origin=stored.origin,
        figures=tuple(_figures(records)),
        copies=_copies(run, digest, stored.data_fingerprint) if of_run else {},
    )


def _figures(records: list[dict[str, Any]]) -> list[CardFigure]:
    """Those of all records; of several under one protocol the latest."""
    found: dict[tuple[str, str], CardFigure] = {}
    for record in (part for whole in records for part in parts(whole)):
        protocol = mapping(record.get("protocol"))
        kept = _picked(protocol, PROTOCOL_FIELDS)
        for name, value in figures(record).items():
            figure = CardFigure(name, value, kept, bool(flattered_by(protocol)))
            found[name, repr(sorted(kept.items()))] = figure
    return list(found.values())


def _picked(values: Mapping[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The fields that are plain values."""
    return {
        key: values[key]
        for key in fields
        if isinstance(values.get(key), str | int | float) and values[key] is not None
    }


def _known_name(source: str) -> str:
    is_file = source.startswith(HERE) or Path(source).is_absolute()
    return source if not is_file and has_known_name(source) else ""


def _environment(run: RunDirectory) -> dict[str, Any]:
    values = read_json(run.environment)
    versions = _picked(mapping(values.get("packages")), ("adavit", "torch"))
    return {**versions, **_picked(values, ("python", "device", "accelerator"))}


def _without_paths(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings that are no paths; `features.seen` is told by itself."""
    return {
        section: {
            key: value
            for key, value in mapping(values).items()
            if key not in (*PATH_SETTINGS.get(section, ()), "seen")
        }
        for section, values in config.items()
    }


def _copies(run: RunDirectory, digest: str, data_fingerprint: str) -> dict[str, Any]:
    """The copy check of these weights; one against other images tells of no copies of those trained on."""
    record = read_json(run.diagnostics.memorisation)
    protocol = mapping(record.get("protocol"))
    compared = (protocol.get("generator_digest"), protocol.get("data_fingerprint"))
    if compared != (digest, data_fingerprint):
        return {}
    return {
        "protocol": _picked(protocol, COPY_FIELDS),
        "spaces": {
            str(name): {
                "distance": text(mapping(space).get("distance")),
                **{side: mapping(mapping(space).get(side)) for side in ("generated", "heldout")},
            }
            for name, space in mapping(record.get("spaces")).items()
        },
    }


def _public(network: str) -> str:
    """A network by name and digest; of a trunk of `adavit pretrain` the name is that of a folder of images."""
    name, _, digest = network.partition(" ")
    return f"{TRUNK}pretrained {digest}" if name.startswith(TRUNK) else f"{name} {digest}".strip()
