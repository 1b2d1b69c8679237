"""A cell: one resolved configuration of an experiment, known by its digest."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from adavit.config.layers import Values, build_config, merge
from adavit.config.run import RunConfig
from adavit.data import ImageSet
from adavit.evaluation.run_images import CHANNEL_NAMES, load_reference, reading_of
from adavit.experiments.experiment_file import check_size
from adavit.experiments.grid_file import SEED, Grid
from adavit.features.names import parted
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.devices import choose_device
from adavit.training.start.absolute_paths import with_absolute_paths
from adavit.training.start.build import Start, read_start
from adavit.training.start.workload import (
    Workload,
    absolute_source,
    image_arguments,
    load_run_images,
    load_workload,
)

DIGEST_LENGTH = 12
"""Hexadecimal digits of SHA-256: two of a million cells are alike with a chance of 1 in 500."""

CHANGES_NO_RESULT = {
    # Where things lie, and how often a run writes what it does; the content of the data counts instead.
    "data": {"source", "data_root", "follow_links", "channels", "frames", "scale_16bit", "fit"},
    "metrics": {"inception_weights", "reference"},
    "training": {"graphs"},
    "run": {
        "out",
        "device",
        "status_every_kimg",
        "samples_every_kimg",
        "checkpoint_every_kimg",
        "keep_checkpoints",
        "keep_every_kimg",
    },
}
"""Keys that are no part of a digest."""

STARTS = ("transfer", "init_discriminator")
"""Settings of the section `training` that name weights, whose content counts instead. In a digest they are None,
as of a cell that starts from its seed."""

FROZEN = (("features", "network"), ("training", "distill_network"))
"""Settings that name a network trained on other images, and perhaps a file of its weights. `features.seen` holds its
digest, so the file is left out of the digest of a cell."""


@dataclass(frozen=True)
class Cell:
    """One run of an experiment. Plain values, so that it can be handed to another process.

    Attributes:
        experiment: Name of the grid or sweep.
        digest: Name of its directory; see `digest_of`.
        axes: Value or label on each axis.
        label: Names the settings, without the seed.
        baseline: Whether cells are compared with it.
        varied: Settings that the axes give it, by `section.key`.
        settings: The resolved configuration, without `run.out`.
        fingerprint: Of the images of `data.source`.
        weights: Digest of the weights that `STARTS` name; None where all is drawn from the seed.
        compared_with: Digest of the cell that its grid has as the baseline of this one; None without a baseline.
    """

    experiment: str
    digest: str
    axes: dict[str, Any]
    label: str
    baseline: bool
    varied: dict[str, Any]
    settings: dict[str, Any]
    fingerprint: str
    weights: str | None = None
    compared_with: str | None = None

    @property
    def title(self) -> str:
        """The label, and the seed where there is an axis of seeds."""
        return f"{self.label}, seed {self.axes[SEED]}" if SEED in self.axes else self.label

    def config(self, out: Path | None = None) -> RunConfig:
        """The configuration, with its directory."""
        run = {"run": {"out": None if out is None else str(out)}}
        return build_config([self.settings, run])


class Sources:
    """What data hold, looked at once however many cells are made of them."""

    def __init__(self) -> None:
        self.absolute = functools.cache(absolute_source)
        self._reference = functools.cache(load_reference)
        self._images: dict[Any, ImageSet] = {}
        self._starts: dict[str, tuple[Start, str | None]] = {}

    def images(self, config: RunConfig, device: torch.device, console: Console) -> ImageSet:
        """As `adavit.training.start.workload.load_run_images`."""
        key = (config.data.source, *image_arguments(config, device).items())
        if key not in self._images:
            self._images[key] = load_run_images(config, device, console)
        return self._images[key]

    def start(self, config: RunConfig) -> tuple[Start, str | None]:
        """As `adavit.training.start.build.read_start`, but for the networks, which would fill the memory.

        Returns:
            What a run starts from, and the digest of the weights that it takes; None where it takes none.
        """
        # All that `read_start` looks at: without one of them a cell would be given the start of another.
        training = config.training
        teacher = training.distill_network if training.distill_weight else None
        named = (training.transfer, training.init_discriminator, teacher)
        key = repr((config.features, config.given("data.resolution"), named))
        if key not in self._starts:
            start = read_start(config)
            digest = tensors_digest(start.weights) if start.weights else None
            kept = replace(start, fill=None, weights={}, features=None, teacher=None)
            self._starts[key] = kept, digest
        return self._starts[key]

    def marks(self, config: RunConfig, console: Console) -> bool:
        """Whether the discriminator of a run has seen through a network trained on other images."""
        start, _ = self.start(config)
        if start.seen or start.learnt is None:
            return bool(start.seen)
        device = choose_device(config.run.device)
        images = self.images(config, device, console)
        return not start.learnt.are_those_of(config, images, device)

    def reference_fingerprint(self, workload: Workload) -> str | None:
        """Of the images that the metrics compare with; None where those are of the data themselves."""
        config, images = workload.config, workload.image_set
        if config.metrics.reference is None:
            return None
        return self._reference(
            config.metrics.reference,
            "--metric-data",
            resolution=images.resolution,
            channels=CHANNEL_NAMES[images.channels],
            data_root=config.data.data_root,
            reading=reading_of(config),
        ).fingerprint


def cells_of(grid: Grid, console: Console | None = None) -> list[Cell]:
    """All cells of a grid, each resolved for its data and this machine's device.

    Points whose configurations are the same are one cell, the first of them. The baseline of a cell is the one
    that is alike in all axes but those that `Grid.baseline` names.

    Args:
        grid: The grid.
        console: Told what was found in the data, once per distinct data section.

    Raises:
        UserError: If there are too many, or the settings of a point, its data or its device are not
            there.
    """
    check_size(grid.size, f"grid {grid.name!r}", "cells", "values to the axes")
    console = console or SilentConsole()
    sources, cells = Sources(), dict[str, Cell]()
    digests: dict[tuple[Any, ...], str] = {}  # by the values on all axes
    against: dict[str, tuple[Any, ...]] = {}  # by digest, those of the baseline
    told: set[str] = set()
    points = list(grid.points())
    configs = (build_config([point.settings]) for point in points)
    marked = any(sources.marks(config, console) for config in configs)
    for point in points:
        # What is found in a data set need be said once.
        data = repr((point.settings.get("data"), point.axes.get(SEED)))
        cell = make_cell(
            grid.name,
            decided_by_unseen(point.settings) if marked else point.settings,
            axes=point.axes,
            varied=point.varied,
            label=point.label,
            sources=sources,
            console=SilentConsole() if data in told else console,
        )
        told.add(data)
        if cell.digest in cells:
            first = cells[cell.digest]
            console.note(f"{cell.title!r} has the settings of {first.title!r}; it is run once.")
        cells.setdefault(cell.digest, cell)
        digests[tuple(point.axes.values())] = cell.digest
        against.setdefault(cell.digest, tuple(grid.baseline_axes(point).values()))
    found = {digest: digests.get(place) for digest, place in against.items()}
    baselines = set(found.values())  # of which one may have the settings of a point before it
    return [
        replace(cell, baseline=digest in baselines, compared_with=found[digest])
        for digest, cell in cells.items()
    ]


def decided_by_unseen(settings: Values) -> Values:
    """Settings of a run among others whose discriminators see through pretrained networks.

    Its figures and theirs are those of random features, which no discriminator has seen; those of the network
    asked for stand beside them.
    """
    asked = build_config([settings]).metrics.extractor
    return merge(settings, {"metrics": {"extractor": list(dict.fromkeys(["random", *asked]))}})


def make_cell(
    experiment: str,
    settings: Mapping[str, Any],
    *,
    axes: dict[str, Any],
    varied: dict[str, Any],
    label: str,
    job: str | None = None,
    sources: Sources | None = None,
    console: Console | None = None,
) -> Cell:
    """Resolves settings to a cell.

    Args:
        experiment: Name of the grid or sweep.
        settings: Sections of keys.
        axes: As in `Cell`.
        varied: As in `Cell`.
        label: As in `Cell`.
        job: Makes the same settings another cell: a sampler may draw them twice, at the same time.
        sources: What other cells have loaded.
        console: Told what was found in the data.

    Raises:
        UserError: If the settings, the data or the device are not there.
    """
    sources = sources or Sources()
    config = build_config([settings])
    start, weights = sources.start(config)
    workload = load_workload(
        start.noted_in(config), console or SilentConsole(), load=sources.images
    )
    workload = start.noted_of(workload)
    fingerprint = workload.image_set.fingerprint
    resolved = workload.config.as_dict()
    resolved["data"]["source"] = sources.absolute(resolved["data"]["source"])
    reference = workload.config.metrics.reference
    if reference is not None:
        resolved["metrics"]["reference"] = sources.absolute(reference)
    placed = with_absolute_paths(config).as_dict()["training"]
    resolved["training"] |= {name: placed[name] for name in STARTS}
    found = sources.reference_fingerprint(workload)
    content = {"images": fingerprint, "reference": found, "weights": weights, "job": job}
    unplaced = {**resolved, "training": {**resolved["training"], **dict.fromkeys(STARTS)}}
    for section, key in FROZEN:
        unplaced[section] = {**unplaced[section], key: without_file(unplaced[section][key])}
    digest = digest_of(
        unplaced, {key: value for key, value in content.items() if value is not None}
    )
    return Cell(
        *(experiment, digest, dict(axes), label, False, dict(varied), resolved, fingerprint),
        weights=weights,
    )


def without_file(requested: str | None) -> str | None:
    """What names a network without the file of its weights: LIBRARY:NAME of LIBRARY:NAME:FILE."""
    if requested is None or not (name := parted(requested)).file:
        return requested
    return f"{name.library}:{name.network}"


def digest_of(resolved: Mapping[str, Mapping[str, Any]], content: Mapping[str, str]) -> str:
    """Digest of all that decides a run's weights and figures.

    Paths, device and the cadences of reports, samples and checkpoints are left out; the cadence of the
    metrics is not, since the best figure hangs on it. An extractor left at "auto" stays "auto": to
    find it would need its weights. What "auto" stands for elsewhere hangs on the kind of device, so
    a CPU and an accelerator make different cells of it.

    Args:
        resolved: Sections of a resolved configuration.
        content: What stands for the keys left out: fingerprints of the images, and of the weights to start from.

    Returns:
        The first digits of the SHA-256 of the canonical JSON.
    """
    counted = {
        section: {
            key: value
            for key, value in values.items()
            if key not in CHANGES_NO_RESULT.get(section, ())
        }
        for section, values in resolved.items()
    }
    text = json.dumps({**counted, **content}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
