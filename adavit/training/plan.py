"""What a run would do, before it does it: settings, parameters, memory and time, measured on a few real steps."""

import sys
import time

import torch

from adavit.config import RunConfig
from adavit.models import count_parameters
from adavit.randomness import generator_for
from adavit.training.build import build_step
from adavit.training.console import Console
from adavit.training.step import AdversarialStep, StepStreams
from adavit.training.train import config_text
from adavit.training.workload import Workload, prepare, total_images

TIMED_STEPS = 3


def describe_plan(config: RunConfig, console: Console) -> str:
    """Settings, sizes and the time to expect, as text.

    Args:
        config: As merged from presets, files and flags.
        console: Told what was found in the data.

    Raises:
        UserError: As `adavit.training.workload.prepare`.
    """
    workload = prepare(config, console)
    config = workload.config
    step = build_step(workload)
    batch, device = config.training.batch, workload.device
    per_step = seconds_per_step(workload, step)
    steps = total_images(config) / batch
    rate = batch / per_step
    lines = [
        config_text(config),
        f"generator       {count_parameters(step.generator) / 1e6:8.2f} M parameters",
        f"discriminator   {count_parameters(step.discriminator) / 1e6:8.2f} M parameters",
        (
            f"memory          {_peak_bytes(device) / 2**30:8.2f} GiB at the peak of"
            f" {2 * TIMED_STEPS} steps"
        ),
        f"speed           {rate:8.0f} images/s, measured now",
        (
            f"time            {steps * per_step / 60:8.1f} minutes for"
            f" {config.training.total_kimg:g} kimg, and the evaluations"
        ),
    ]
    return "\n".join(lines)


def seconds_per_step(workload: Workload, step: AdversarialStep | None = None) -> float:
    """Time of a training step, the penalty's share included, measured on a few of them.

    Args:
        workload: Its data's shape and its settings are used, its images are not.
        step: Of the workload, as `build_step` makes it; changed by the steps. None makes one.
    """
    step = step or build_step(workload)
    config, device = workload.config, workload.device
    batch, interval = config.training.batch, config.training.r1_interval
    side, channels = config.data.resolution, workload.image_set.images.shape[1]
    real = torch.zeros(batch, channels, side, side, device=device)
    labels = torch.zeros(batch, dtype=torch.int64, device=device) if workload.num_classes else None
    step.pipe.p.fill_(0.5)
    seconds = {}
    # A step with the penalty and one without cost differently; the first of each only warms up.
    for index, kind in ((0, "penalised"), (1, "plain")):
        if interval == 1 and kind == "plain":
            continue
        for _ in range(TIMED_STEPS):
            streams = StepStreams(
                generator_for(0, "latents", 0, device), generator_for(0, "augmentation", 0, device)
            )
            started = time.perf_counter()
            step(real, labels, images=index * batch, streams=streams)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds[kind] = time.perf_counter() - started
    plain = seconds.get("plain", seconds["penalised"])
    return plain + (seconds["penalised"] - plain) / interval


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # kilobytes on Linux
