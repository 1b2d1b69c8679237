"""What the parts of the suite measure with: steps as a run builds them, sizes, and clocks that wait for the device."""

import gc
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, merge
from adavit.config.run import ResolvedConfig
from adavit.data import ImageSet, split_images
from adavit.runtime.devices import keep_freed_memory
from adavit.runtime.resolution import Resolution
from adavit.training.passes.step_result import StepResult
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.start.workload import Workload
from adavit.training.step.adversarial_step import AdversarialStep
from benchmarks.gpu.findings import Findings
from benchmarks.measuring import synchronise

KINDS = ("resnet", "vit")
WARM_UP = 3
SIZES = ((32, 64), (128, 32), (256, 32))
"""Side in pixels and batch, as an accelerator's settings choose it."""
TOY_SIZES = ((8, 4), (16, 4))
TOY_SECONDS = 0.02
"""Of a row of calls at toy size, whose figures mean nothing."""
TOY: dict[str, dict[str, Any]] = {
    "generator": {"latent_dim": 16, "style_dim": 16, "channel_base": 512, "channel_max": 16},
    "resnet": {"channel_base": 512, "channel_max": 16},
    "vit": {"width": 32, "depth": 1, "heads": 2, "patch": 4},
}
"""Networks that a CPU trains in milliseconds."""


@dataclass(frozen=True)
class Bench:
    """Where and how large a part measures.

    Attributes:
        device: Where.
        toy: Whether networks and images are those of a test.
        out: Folder of the report, for pictures.
        ends: When the part has to be done, as `time.monotonic` counts.
        aim: Seconds that it is to take, if it can choose.
    """

    device: torch.device
    toy: bool
    out: Path
    ends: float
    aim: float = math.inf

    @classmethod
    def told(
        cls, *, device: str, toy: bool, out: str, aim: float, limit: float, began: float
    ) -> Self:
        """That of a part which is to take `aim` seconds, and is ended after `limit`.

        Its process was started when `time.time` said `began`; its imports take seconds.
        """
        if device == "cpu":
            keep_freed_memory()  # as training does
        return cls(
            torch.device(device),
            toy,
            Path(out),
            time.monotonic() + began + limit - time.time(),
            aim,
        )

    def has_cuda(self, found: Findings, *, for_what: str) -> bool:
        """Whether the device is a CUDA device; what is left out where it is not stands in the report."""
        cuda = self.device.type == "cuda"
        if not cuda:
            found.fact("left out, needs CUDA", for_what)
        return cuda

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Side and batch of the images."""
        return TOY_SIZES if self.toy else SIZES

    @property
    def seconds_left(self) -> float:
        """Until the part is ended."""
        return self.ends - time.monotonic()

    def config(
        self, kind: str, side: int, *layers: dict[str, Any], small: bool = False
    ) -> ResolvedConfig:
        """What a run with this discriminator gets on an accelerator, with bgc at p = 0.4 where no layer says else.

        Args:
            kind: "resnet" or "vit".
            side: Of the images in pixels.
            *layers: Over the defaults, weakest first.
            small: Whether to take networks of a test; they always are on a toy bench.
        """
        base: dict[str, Any] = {
            "data": {"resolution": side},
            "discriminator": {"kind": kind},
            "augment": {"mode": "fixed", "p": 0.4, "preset": "bgc"},
        }
        if self.toy or small:
            base = merge(base, {"generator": TOY["generator"], "discriminator": TOY[kind]})
        return resolve(build_config([base, *layers]), RunFacts(Resolution.of(side), 10_000, "cuda"))

    def step(self, config: ResolvedConfig) -> AdversarialStep:
        """A step as a run of this configuration builds it, here."""
        return step_of(config, self.device)

    def synchronise(self) -> None:
        """Waits until the device has done what it was told."""
        synchronise(self.device)

    def seconds_each(self, work: Callable[[], Any], *, seconds: float = 1.0) -> float:
        """Time of one call in a row of as many as fit into `seconds`, after some that warm up.

        The device is waited for at the end of the row only, as in training.
        """
        for _ in range(WARM_UP):
            work()
        self.synchronise()
        started = time.perf_counter()
        work()
        self.synchronise()
        once = time.perf_counter() - started
        calls = max(1, min(20_000, int((TOY_SECONDS if self.toy else seconds) / max(once, 1e-6))))
        started = time.perf_counter()
        for _ in range(calls):
            work()
        self.synchronise()
        return (time.perf_counter() - started) / calls

    @contextmanager
    def peak_bytes(self) -> Iterator[Callable[[], tuple[int, int] | None]]:
        """Gives what asks for the most bytes of tensors, and of the allocator, since; None on a CPU."""
        cuda = self.device.type == "cuda"
        gc.collect()
        if cuda:
            synchronise(self.device)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

        def peak() -> tuple[int, int] | None:
            if not cuda:
                return None
            return (
                torch.cuda.max_memory_allocated(self.device),
                torch.cuda.max_memory_reserved(self.device),
            )

        yield peak


class Stepper:
    """Calls a step on random images.

    Args:
        step: To call.
        config: Of it.
        device: Of its networks.
    """

    def __init__(self, step: AdversarialStep, config: ResolvedConfig, device: torch.device) -> None:
        self.step, self.device = step, device
        self.batch, side = config.training.batch, config.data.resolution.height
        self.interval = config.training.r1_interval
        self.real = images(self.batch, side, device)
        self.calls = 0

    def plain(self) -> StepResult:
        """A step in which no regularizer is due."""
        kept, self.step.regularizers = self.step.regularizers, []
        try:
            return self._call(number=1)
        finally:
            self.step.regularizers = kept

    def penalised(self) -> StepResult:
        """A step in which all of them are due."""
        return self._call(number=0)

    def _call(self, *, number: int) -> StepResult:
        self.calls += 1
        streams = StepStreams.at(0, self.calls, self.device)
        return self.step(self.real, None, images=number * self.batch, streams=streams)


def workload_of(config: ResolvedConfig, device: torch.device) -> Workload:
    """A run of this configuration on a few images of noise."""
    return Workload(
        config=config,
        image_set=noise_images(config.data.resolution.height),
        split=split_images(8, subset=None, heldout_fraction=0.0, seed=0),
        device=device,
    )


def step_of(config: ResolvedConfig, device: torch.device) -> AdversarialStep:
    """A step as a run of this configuration builds it, with its fixed p."""
    step = build_step(workload_of(config, device))
    step.set_p(config.augment.p or 0.0)
    return step


def images(batch: int, side: int, device: torch.device) -> Tensor:
    """Noise [B, 3, S, S] in [-1, 1], the same on every device."""
    stream = torch.Generator().manual_seed(0)
    return (torch.rand(batch, 3, side, side, generator=stream) * 2 - 1).to(device)


def noise_images(side: int) -> ImageSet:
    """Eight images of noise that stand for a set."""
    drawn = np.random.default_rng(0).integers(0, 256, (8, 3, side, side), dtype=np.uint8)
    return ImageSet("noise", drawn, None, (), "0" * 64, (), "noise", ())


def set_float32(precision: str) -> None:
    """How products and convolutions of float32 are computed on the device: "ieee", or "tf32", which rounds."""
    backends: Any = torch.backends  # whose types do not know all of the switches
    backends.cuda.matmul.fp32_precision = precision
    backends.cudnn.conv.fp32_precision = precision


def environment_of(out: Path) -> dict[str, str]:
    """The surroundings of a program that a part starts: a cache of its own, no questions."""
    return {**os.environ, "ADAVIT_CACHE": str(out), "PYTHONUNBUFFERED": "1"}
