"""The plan of a run, for `--dry-run`: settings, what is foreseen, and memory and time measured on a few real steps."""

import contextlib
import os
import statistics
import time
from collections.abc import Iterator

import torch

from adavit.augment.devices import is_accelerator
from adavit.config.run import RunConfig
from adavit.runs.directory import RunDirectory
from adavit.runtime.console import Console
from adavit.runtime.determinism import in_fixed_order
from adavit.runtime.devices import choose_device, is_here
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.launch import cores
from adavit.runtime.memory import peak_bytes
from adavit.runtime.place import Place
from adavit.runtime.process_group import ProcessGroup
from adavit.runtime.wording import duration
from adavit.training.compiled_trial import is_expected_to_gain
from adavit.training.foresight import (
    describe_elsewhere,
    foreseen_lines,
    image_lines,
    imagined_step,
    kinds_of_steps,
    message_lines,
    network_lines,
)
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step, first_step, read_start
from adavit.training.start.costliest_step import make_costliest
from adavit.training.start.handshake import shared_reduction
from adavit.training.start.resident import Residence
from adavit.training.start.workload import Workload, total_images
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.within_budget import check_one_length, fit_budget

TIMED_STEPS = 2
"""Steps of each kind whose time counts, after one that warms up."""


def describe_plan(
    config: RunConfig, console: Console, *, processes: int = 1, began: float | None = None
) -> str:
    """Settings, sizes and the time to expect, as text.

    Of several processes this one is the first: it computes its slices, and the others are not there.

    Args:
        config: As merged from presets, files and flags.
        console: Told what was found in the data.
        processes: That are to share each batch, all on this machine.
        began: As for `adavit.training.train.train`.

    Raises:
        UserError: As `adavit.training.start.workload.prepare`, and if what to start from does not fit.
    """
    began = time.monotonic() if began is None else began
    with in_fixed_order(config.training.deterministic):  # as the run, from its first operation on
        return _described(config, console, processes, began)


def _described(config: RunConfig, console: Console, processes: int, began: float) -> str:
    check_one_length(config)
    RunDirectory.check_free(config.run.out)  # as the run itself would, before minutes are spent
    start = read_start(config)
    if not is_here(config.run.device):
        return describe_elsewhere(start.noted_in(config), console, processes)
    world = ImaginedWorld(processes)
    last = Place(processes - 1, processes, processes - 1, processes)
    ProcessGroup(world, last).take_device(choose_device(config.run.device))
    workload = start.prepare(config, console, processes=processes)
    reduction, last_lines = shared_reduction(workload, world), []
    asked, rehearsed = start.noted_in(config), ""
    if asked.run.budget is not None:
        # Of other processes than those whose messages are counted below.
        apart = shared_reduction(workload, ImaginedWorld(processes))
        with _share_of_cores(processes):
            fitted = fit_budget(asked, workload, start, apart, began)
        rehearsed = ", and of what the budget was tried with"
        workload, last_lines = fitted.workload, [f"budget          {fitted.plan.told}"]
        if fitted.may_be_faster:
            last_lines.append("compiling       tried when it trains, and taken if steps are faster")
    elif is_expected_to_gain(asked, workload, processes):
        last_lines.append("compiling       when it trains, if there is a C++ compiler")
    held = workload.config
    step, notes = first_step(workload, start, reduction)
    del start  # as `adavit.training.train` does
    for note in notes:
        console.note(note)
    batch, device = held.training.batch, workload.device
    per_step = seconds_per_step(workload, step)
    steps = total_images(held.training) / batch
    rate = batch / per_step
    steps_taken = len(kinds_of_steps(step)) * (1 + TIMED_STEPS)
    of_each = alone = ""
    if processes > 1:
        share = f"{len(step.slices(batch).images)} of the {batch} images"
        of_each = f", in each of {processes} processes with {share}"
        alone = " on one of them, while the others stood still and no message took time"
    lines = [
        *network_lines(workload, step),
        *foreseen_lines(workload, imagined_step(workload, ImaginedWorld(processes))),
        *image_lines(Residence.of(workload).told(), workload, processes),
        _memory_line(peak_bytes(device), f"{steps_taken} steps, measured now{of_each}{rehearsed}"),
        *message_lines(world, steps_taken),
        f"speed           {rate:8.0f} images/s, measured now{alone}",
        (
            f"time         {duration(steps * per_step):>11} for"
            f" {held.training.total_kimg:g} kimg, and the evaluations"
        ),
        *last_lines,
    ]
    return "\n".join(lines)


def _memory_line(peak: int | None, steps: str) -> str:
    if peak is None:
        return "memory          not measured, since this system does not say what a process has held at most"
    return f"memory          {peak / 2**30:8.2f} GiB at the peak of {steps}"


def seconds_per_step(
    workload: Workload, step: AdversarialStep | None = None, *, processes: int = 1
) -> float:
    """Time of a training step, penalties' shares included, measured on a few of them.

    Args:
        workload: Its data's shape and its settings are used, its images are not.
        step: Of the workload, as `build_step` makes it; changed by the steps. None makes one.
        processes: That share a step which is made here; what they tell each other takes no time.
    """
    if step is None:
        shared = shared_reduction(workload, ImaginedWorld(processes))
        step = build_step(workload, reduction=shared)
    fixed = in_fixed_order(workload.config.training.deterministic)
    with _share_of_cores(step.reduction.world.size), fixed:
        return _seconds_per_step(workload, step)


@contextlib.contextmanager
def _share_of_cores(processes: int) -> Iterator[None]:
    """While entered, this process calculates with as many threads as `launch` leaves to each of several."""
    before = torch.get_num_threads()
    if processes > 1 and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, min(before, cores() // processes)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds_per_step(workload: Workload, step: AdversarialStep) -> float:
    config, device = workload.config, workload.device
    batch = config.training.batch
    channels = workload.image_set.channels
    own = len(step.slices(batch).images)
    real = torch.zeros(own, channels, *config.data.resolution, device=device)
    labels = torch.zeros(own, dtype=torch.int64, device=device) if workload.num_classes else None
    make_costliest(step, config.augment)
    kinds = kinds_of_steps(step)
    cycle, total = sum(count for _, count in kinds), 0.0
    for index, count in kinds:
        seconds = []
        for _ in range(1 + TIMED_STEPS):
            started = time.perf_counter()
            step(real, labels, images=index * batch, streams=StepStreams.at(0, 0, device))
            if is_accelerator(device):
                torch.get_device_module(device).synchronize(device)
            seconds.append(time.perf_counter() - started)
        total += count * statistics.mean(seconds[1:])  # the first only warms up
    return total / cycle
