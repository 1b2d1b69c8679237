"""Images a second of the run that `adavit train --data small_set` is, beside what was measured elsewhere."""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from adavit.config.run import RunConfig
from adavit.doctor.finding import Finding
from adavit.errors import RunError, UserError, first_line
from adavit.runtime.console import SilentConsole
from adavit.runtime.wording import duration
from adavit.training.plan import seconds_per_step
from adavit.training.start.build import build_step
from adavit.training.start.workload import load_workload

SECONDS = 8.0
"""Of measuring; reading the images and the first step come on top."""

SLOW = 0.5
"""Of the figure elsewhere: below it something is in the way."""


@dataclass(frozen=True)
class MeasuredElsewhere:
    """A figure of the same run: ResNet, 32 px, the settings chosen for the device.

    Attributes:
        machine: Where.
        device: "cpu" or "cuda".
        threads: On a CPU.
        images_per_s: The figure.
        file: Where it stands.
    """

    machine: str
    device: str
    threads: int
    images_per_s: float
    file: str


ELSEWHERE = (
    MeasuredElsewhere(
        "one core of an EPYC (Zen 4)", "cpu", 1, 115, "benchmarks/results/stems_2000_images.md"
    ),
    MeasuredElsewhere(
        "two cores of an EPYC (Zen 4)", "cpu", 2, 250, "benchmarks/results/stems_2000_images.md"
    ),
    MeasuredElsewhere("an H100", "cuda", 1, 1156, "benchmarks/results/h100.md"),
)


def examine_speed() -> Iterator[Finding]:
    """Measures some seconds of training steps; nothing is trained."""
    try:
        workload = load_workload(RunConfig(), SilentConsole())
        step = build_step(workload)
        training, rates, began = workload.config.training, list[float](), time.monotonic()
        while not rates or time.monotonic() - began < SECONDS:
            rates.append(training.batch / seconds_per_step(workload, step))
    except (RunError, UserError, RuntimeError, OSError) as error:
        yield Finding(
            "speed",
            "problem",
            f"A training step fails: {first_line(error)}",
            "adavit train --data small_set --dry-run does the same; the findings above may say why.",
        )
        return
    yield _compared(statistics.median(rates), workload.device, training.total_kimg)


def _compared(rate: float, device: torch.device, total_kimg: float) -> Finding:
    threads = torch.get_num_threads()
    other = nearest(device.type, threads)
    ratio = rate / other.images_per_s
    where = f"with {threads} threads" if device.type == "cpu" else "on the first card"
    if threads == 1:
        where = where.removesuffix("s")
    took = duration(1000 * total_kimg / rate)
    found = (
        f"{rate:.0f} images/s of adavit train --data small_set {where}, so {took} and the evaluations for its"
        f" {total_kimg:g} kimg. That is {ratio:.2f} of the {other.images_per_s:g} of {other.machine} ({other.file})."
    )
    facts = {
        "images_per_s": round(rate, 1),
        "threads": threads,
        "device": device.type,
        "ratio": round(ratio, 3),
        "elsewhere": vars(other).copy(),
    }
    if ratio >= SLOW:
        return Finding("speed", "ok", found, facts=facts)
    remedy = "End other programs, or try OMP_NUM_THREADS=1 adavit doctor: with busy cores it can be many times as fast."
    if device.type == "cuda":
        remedy = "See whether other programs use the card (nvidia-smi), and whether the CPU beside it is busy."
    return Finding("speed", "note", found, remedy, facts)


def nearest(device: str, threads: int) -> MeasuredElsewhere:
    """The figure that one of a device with so many threads is held against: of as many threads, or the next fewer."""
    alike = [each for each in ELSEWHERE if each.device == device]
    return max(alike, key=lambda each: each.threads if each.threads <= max(1, threads) else 0)
