"""Images a second of the run that `adavit train --data small_set` is, beside what was measured elsewhere."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from adavit.config.run import RunConfig
from adavit.config.training import TrainingConfig
from adavit.doctor.finding import Finding
from adavit.errors import RunError, UserError, first_line
from adavit.runtime.console import SilentConsole
from adavit.runtime.devices import choose_device, crowding
from adavit.runtime.wording import counted, duration
from adavit.training.plan import seconds_per_step
from adavit.training.start.build import build_step
from adavit.training.start.workload import load_workload

SECONDS = 8.0
"""Of measuring; reading the images and the first step come on top."""

SLOW = 0.5
"""Of the figure elsewhere: below it something is in the way."""

BUSY = "Train with OMP_NUM_THREADS=1 before the command: with more threads it can be many times slower while they run."
SLOW_CORES = "See whether other programs or a limit of a container take the cores; try fewer threads (OMP_NUM_THREADS)."
SLOW_CARD = (
    "A smaller card takes longer. Else see whether other programs use it (nvidia-smi), and whether the CPU beside it is"
    " busy."
)


@dataclass(frozen=True)
class MeasuredElsewhere:
    """A figure of the same run: ResNet, 32 px, the settings chosen for the device.

    Attributes:
        machine: Where.
        device: "cpu" or "cuda".
        threads: On a CPU.
        precision: What it calculated in, as `training.precision`.
        images_per_s: The figure.
        file: Where it stands.
    """

    machine: str
    device: str
    threads: int
    precision: str
    images_per_s: float
    file: str


_CORES, _CARD = "benchmarks/results/stems_2000_images.md", "benchmarks/results/h200.md"

ELSEWHERE = (
    MeasuredElsewhere("one core of an EPYC (Zen 4)", "cpu", 1, "float32", 115, _CORES),
    MeasuredElsewhere("two cores of an EPYC (Zen 4)", "cpu", 2, "float32", 250, _CORES),
    MeasuredElsewhere("an H200", "cuda", 1, "bf16", 3236, _CARD),
    MeasuredElsewhere("an H200", "cuda", 1, "float32", 2009, _CARD),
)


def examine_speed() -> Iterator[Finding]:
    """Measures some seconds of training steps; nothing is trained.

    Where others keep the cores busy it calculates with one thread, as the remedy says: with more a step takes seconds.
    """
    threads, device = torch.get_num_threads(), choose_device("auto")
    busy = bool(crowding(device))
    try:
        torch.set_num_threads(1 if busy else threads)
        yield _measured(busy=busy)
    except (RunError, UserError, RuntimeError, OSError) as error:
        yield Finding(
            "speed",
            "problem",
            f"A training step fails: {first_line(error)}",
            "adavit train --data small_set --dry-run does the same; the findings above may say why.",
        )
    finally:
        torch.set_num_threads(threads)


def _measured(*, busy: bool) -> Finding:
    workload = load_workload(RunConfig(), SilentConsole())
    step = build_step(workload)
    training, rates, began = workload.config.training, list[float](), time.monotonic()
    while not rates or time.monotonic() - began < SECONDS:
        rates.append(training.batch / seconds_per_step(workload, step))
    return _compared(statistics.median(rates), workload.device, training, busy=busy)


def _compared(
    rate: float, device: torch.device, training: TrainingConfig, *, busy: bool
) -> Finding:
    threads, precision = torch.get_num_threads(), training.precision
    other = nearest(device.type, threads, precision)
    ratio = rate / other.images_per_s
    where, remedy = "on the first card", SLOW_CARD
    if device.type == "cpu":
        where, remedy = f"with {counted(threads, 'thread', 'threads')}", SLOW_CORES
    where += f" in {precision}" + (", as other programs keep the cores busy" if busy else "")
    took = duration(1000 * training.total_kimg / rate)
    found = (
        f"{rate:.0f} images/s of adavit train --data small_set {where}: {took} and the evaluations for its"
        f" {training.total_kimg:g} kimg. That is {ratio:.2f} of the {other.images_per_s:g} of {other.machine} in"
        f" {other.precision} ({other.file})."
    )
    facts = {
        "images_per_s": round(rate, 1),
        "threads": threads,
        "device": device.type,
        "precision": precision,
        "ratio": round(ratio, 3),
        "elsewhere": vars(other).copy(),
    }
    if busy:
        return Finding("speed", "note", found, BUSY, facts)
    if ratio < SLOW:
        return Finding("speed", "note", found, remedy, facts)
    return Finding("speed", "ok", found, facts=facts)


def nearest(device: str, threads: int, precision: str) -> MeasuredElsewhere:
    """The figure that one of a device is held against.

    Args:
        device: "cpu" or "cuda".
        threads: Of as many, or the next fewer.
        precision: Of the same, where there is one.
    """
    alike = [each for each in ELSEWHERE if each.device == device]

    def likeness(each: MeasuredElsewhere) -> tuple[bool, int]:
        return each.precision == precision, each.threads if each.threads <= max(1, threads) else 0

    return max(alike, key=likeness)
