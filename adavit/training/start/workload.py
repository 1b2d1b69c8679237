"""Everything a run needs before its first step: images, resolved settings, metrics. Cheap failures come first."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from adavit.augment.devices import is_accelerator
from adavit.build.networks import generator_arguments
from adavit.config.auto import RunFacts, resolve, why_no_quarter_turns, why_precision
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.training import TrainingConfig
from adavit.data import ImageSet, Split, draw_evenly, load_images
from adavit.data.dataset import LoadArguments
from adavit.errors import UserError
from adavit.evaluation.evaluator import Evaluator
from adavit.evaluation.run_images import reading_of
from adavit.runtime.console import Console
from adavit.runtime.devices import choose_device, crowding, has_bf16, keep_freed_memory
from adavit.runtime.resolution import SMALLEST_SIDE, Resolution
from adavit.training.start.compilation import compilation_note
from adavit.training.start.effort import slow_step
from adavit.training.start.evaluators import build_evaluators
from adavit.training.start.footprint import check_memory
from adavit.training.start.settled import settled, split_of_run, tell_of_settings

DEFAULT_RESOLUTION_CAP = {"cpu": 32}
"""Side of the largest square that is chosen unasked, by device; elsewhere 256."""

_LEAST = Resolution(SMALLEST_SIDE, SMALLEST_SIDE)


@dataclass(frozen=True)
class Workload:
    """A run that is ready to start.

    Attributes:
        config: What the run holds.
        image_set: All images of `data.source`.
        split: Which of them are trained on and which are held out.
        device: Where the networks run.
        evaluators: Score generated images, the first of them deciding; none before `with_evaluators`, and where
            `metrics.names` is empty.
    """

    config: ResolvedConfig
    image_set: ImageSet
    split: Split
    device: torch.device
    evaluators: tuple[Evaluator, ...] = ()

    @property
    def num_classes(self) -> int:
        """Classes that the networks are conditioned on; 0 without `data.cond`."""
        return len(self.image_set.classes) if self.config.data.cond else 0

    @property
    def label_counts(self) -> list[int] | None:
        """Training images of each class, in whose proportion labels are drawn; None without `cond`."""
        labels = self.image_set.labels
        if labels is None or not self.num_classes:
            return None
        counts = np.bincount(labels[self.split.train], minlength=self.num_classes)
        return [int(count) for count in counts]

    def some_of(self, indices: np.ndarray, wanted: int) -> np.ndarray:
        """At most so many of these images, drawn with the run's seed, of each class its share."""
        labels = self.image_set.labels
        own = None if labels is None else labels[indices]
        return indices[draw_evenly(own, len(indices), wanted, self.config.run.seed)]

    @property
    def reference_fingerprint(self) -> str | None:
        """Content digest of the images that the metrics compare with; None where nothing is measured."""
        return self.evaluators[0].reference_fingerprint if self.evaluators else None

    @property
    def label(self) -> str:
        """Name of the run, for its directory."""
        augment = self.config.augment
        suffix = "noaug" if augment.mode == "none" else augment.preset
        return f"{self.image_set.name}-{self.config.discriminator.kind}-{suffix}"

    def architecture(self) -> dict[str, Any]:
        """Keyword arguments of the generator."""
        return generator_arguments(
            self.config.generator,
            resolution=self.config.data.resolution,
            image_channels=self.image_set.channels,
            num_classes=self.num_classes,
        )


def prepare(config: RunConfig, console: Console) -> Workload:
    """All that a run needs: `load_workload`, and then what scores its images.

    Args:
        config: As merged from presets, files and flags, or as stored by an earlier run.
        console: Told what was found.

    Raises:
        UserError: If data, device, weights or settings are not what the configuration asks for.
    """
    return with_evaluators(load_workload(config, console), console)


def image_arguments(config: RunConfig, device: torch.device) -> LoadArguments:
    """Arguments of `load_images` for a run: runs of one source for which they are equal have the same images."""
    return {
        "resolution": config.given("data.resolution"),
        "default_resolution_cap": DEFAULT_RESOLUTION_CAP.get(device.type, 256),
        "channels": config.data.channels,
        "data_root": config.data.data_root,
        "reading": reading_of(config),
    }


def load_run_images(
    config: RunConfig, device: torch.device, console: Console, processes: int = 1
) -> ImageSet:
    """The images of a run, unless its networks cannot fit at any resolution: decoding takes minutes.

    Args:
        config: As for `prepare`.
        device: Where it trains.
        console: Told how the decoding goes.
        processes: How many share each batch of a new run.

    Raises:
        UserError: If the data are not what the configuration asks for.
        RunError: If a step of it cannot fit into the memory, or the images nowhere.
    """
    known = foreseen(config, device, processes)
    # With run.memory it is yet to be chosen how much is calculated at a time.
    if known is not None and config.run.memory is None:
        check_memory(known, device, processes)
    return read_images(config, device, console)


def read_images(config: RunConfig, device: torch.device, console: Console) -> ImageSet:
    """The images of a run, whatever is done with them.

    Args:
        config: As for `prepare`.
        device: Where it trains.
        console: Told how the decoding goes.

    Raises:
        UserError: If the data are not what the configuration asks for.
        RunError: If the images fit nowhere.
    """
    return load_images(
        config.data.source,
        **image_arguments(config, device),
        progress=partial(console.activity, "decoding"),
    )


def load_workload(
    config: RunConfig,
    console: Console,
    *,
    load: Callable[[RunConfig, torch.device, Console], ImageSet] | None = None,
    processes: int = 1,
) -> Workload:
    """Loads the data, chooses what was left open, and looks ahead at the steps of the run.

    Args:
        config: As for `prepare`.
        console: Told what was found.
        load: What stands for `load_run_images` where many runs have the same images.
        processes: How many share each batch of a new run.

    Returns:
        The workload, without an evaluator.

    Raises:
        UserError: If data, device or settings are not what the configuration asks for.
        RunError: If a step of it cannot fit into the memory, or the images nowhere.
    """
    load = load or partial(load_run_images, processes=processes)
    workload = load_settled(config, console, load=load, processes=processes)
    resolved, device = workload.config, workload.device
    if why := why_no_quarter_turns(config, facts_of(workload)):
        console.note(why)
    check_memory(resolved, device, processes)
    compiling = compilation_note(resolved.training.compile)
    if compiling is not None:
        console.note(compiling)
    tell_of_settings(resolved, workload.image_set, workload.split, console)
    if (slow := slow_step(resolved, device)) is not None:
        console.note(f"Warning: {slow}")
    return workload


def load_settled(
    config: RunConfig,
    console: Console,
    *,
    load: Callable[[RunConfig, torch.device, Console], ImageSet],
    processes: int = 1,
) -> Workload:
    """Loads the data and chooses what was left open; of the steps that are taken with them it asks nothing.

    Args:
        config: As for `prepare`.
        console: Told what was found.
        load: Gives the images.
        processes: How many share each batch of a new run.

    Returns:
        The workload, without an evaluator.

    Raises:
        UserError: If data, device or settings are not what the configuration asks for.
        RunError: If the images fit nowhere.
    """
    device = choose_device(config.run.device)
    if not is_accelerator(device):
        keep_freed_memory()
    if crowded := crowding(device):
        console.note(crowded)
    images = load(config, device, console)
    split = split_of_run(config, images, console)
    facts = _facts(images, split, device, processes)
    if config.given("training.precision") is None and (why := why_precision(facts)):
        console.note(why)
    return Workload(settled(config, facts, device, console), images, split, device)


def facts_of(workload: Workload) -> RunFacts:
    """What was left open in the configuration of a workload is chosen from, its microbatch apart."""
    return _facts(workload.image_set, workload.split, workload.device, 1)


def _facts(images: ImageSet, split: Split, device: torch.device, processes: int) -> RunFacts:
    return RunFacts(
        resolution=images.resolution,
        training_images=len(split.train),
        device=device.type,
        bf16=has_bf16(device),
        processes=processes,
    )


def foreseen(config: RunConfig, device: torch.device, processes: int = 1) -> ResolvedConfig | None:
    """The settings as far as they are known before the images are: of these there is one, as small as can be.

    Args:
        config: As for `prepare`.
        device: Where it trains.
        processes: How many share each batch of a new run.

    Returns:
        None where they do not go together, which is told when the images are known.
    """
    resolution = config.given("data.resolution") or _LEAST
    facts = RunFacts(
        resolution,
        training_images=1,
        device=device.type,
        bf16=has_bf16(device),
        processes=processes,
    )
    try:
        return resolve(config, facts)
    except ValidationError:
        return None


def with_evaluators(workload: Workload, console: Console) -> Workload:
    """Finds the metric's weights; the configuration then names the networks that were found.

    Args:
        workload: From `load_workload`.
        console: Told what was found.

    Raises:
        UserError: If the weights or the data to compare with cannot be had.
    """
    evaluators = build_evaluators(
        workload.config,
        workload.image_set,
        workload.split,
        device=workload.device,
        console=console,
    )
    if not evaluators:
        return workload
    # So that a resumed run measures with the same networks or not at all.
    names = tuple(evaluator.extractor.name for evaluator in evaluators)
    metrics = workload.config.metrics.model_copy(update={"extractor": names})
    config = workload.config.model_copy(update={"metrics": metrics})
    return replace(workload, config=config, evaluators=evaluators)


def total_images(training: TrainingConfig) -> int:
    """Real images at the end of a run: whole batches, at least `training.total_kimg`."""
    steps = math.ceil(round(1000 * training.total_kimg) / training.batch)
    return training.batch * max(1, steps)


def check_total(training: TrainingConfig, images: int) -> None:
    """Refuses to continue a run to a length that it has passed.

    Args:
        training: With the length that is asked for.
        images: Real images seen.

    Raises:
        UserError: If it has seen more than that.
    """
    if images > total_images(training):
        raise UserError(
            f"training.total_kimg is {training.total_kimg:g}, but the run has seen"
            f" {images / 1000:g} kimg already, expected no less. Give a larger --kimg to train on,"
            " or leave it out; nothing was changed."
        )


def absolute_source(source: str) -> str:
    """`source` in a form that means the same from another folder: names stay, paths become absolute."""
    path = Path(source)
    return str(path.resolve()) if path.exists() else source
