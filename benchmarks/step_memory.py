"""Memory of a training step: what the check before a run says, and what a process takes.

    python benchmarks/step_memory.py                     table of discriminators, sizes and batches
    python benchmarks/step_memory.py resnet 128 8 0      one row: discriminator, side, batch, weight of the path length

A discriminator that is taught is a vit that learns the tokens of torchvision's vit_b_16.
Each row is a fresh process: three steps with everything due (R1, and the path length where it has a weight), after
one of tiny networks that loads the libraries. Measured is by how much the high-water mark of the resident set rises.
`formula` is the lower bound that is known at a glance, `said` what check_memory says when that is near.
"""

import subprocess
import sys
from pathlib import Path

sys.path.pop(0)  # the folder of this script, where augment.py would hide the package of that name

import torch

from adavit.build.augmentation import build_pipe
from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.discriminator import ViTConfig
from adavit.config.layers import build_config
from adavit.config.run import ResolvedConfig
from adavit.features.teachers import unread_teacher
from adavit.runtime.devices import keep_freed_memory
from adavit.runtime.resolution import Resolution
from adavit.training.objectives.build import build_extras
from adavit.training.objectives.losses import LOSSES
from adavit.training.passes.streams import StepStreams
from adavit.training.start.footprint import expected_bytes, least_bytes
from adavit.training.step.adversarial_step import AdversarialStep
from adavit.training.step.average import GeneratorAverage

ROWS = [
    *[(kind, side, batch, 0) for kind in ("resnet", "vit") for side in (32, 64) for batch in (4, 32)],
    *[(kind, side, batch, 0) for kind in ("resnet", "vit") for side, batch in ((128, 4), (128, 16), (256, 4))],
    *[("resnet", 64, 16, 2), ("resnet", 128, 8, 2)],
    *[("taught", side, batch, 0) for side, batch in ((32, 4), (32, 32), (64, 16))],
]  # fmt: skip


def configured(
    kind: str,
    side: int,
    batch: int,
    path_length: float,
    *,
    generator: dict[str, int] | None = None,
    discriminator: dict[str, int] | None = None,
) -> ResolvedConfig:
    """The defaults of a CPU but for the sizes given, with a fixed augmentation."""
    layer = {
        "generator": generator or {},
        "data": {"resolution": side},
        "discriminator": {"kind": "vit" if kind == "taught" else kind, **(discriminator or {})},
        "training": {
            "batch": batch,
            "path_length": path_length,
            "distill_weight": kind == "taught",
        },
        "augment": {"mode": "fixed", "p": 0.5},
    }
    return resolve(build_config([layer]), RunFacts(Resolution.of(side), 100, "cpu"))


def train(config: ResolvedConfig, steps: int) -> None:
    """Some steps in which everything is due."""
    training, resolution = config.training, config.data.resolution
    networks = build_networks(config, image_channels=3, num_classes=0)
    generator, discriminator = (net.to(memory_format=torch.channels_last) for net in networks)
    teacher = None
    if training.distill_weight and isinstance(config.discriminator, ViTConfig):
        shape = {"resolution": resolution, "image_channels": 3, "patch": config.discriminator.patch}
        teacher = unread_teacher(training.distill_network, **shape).to_empty(device="cpu")
        for weight in teacher.parameters():
            weight.data.zero_()  # memory that nobody has written to is not there
    step = AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(generator, half_life_kimg=5, ramp=None),
        pipe=build_pipe(config.augment),
        generator_lr=1e-3,
        discriminator_lr=1e-3,
        betas=(0.0, 0.99),
        warmup_images=0,
        microbatch=None,
        autocast=None,
        compiled=False,
        loss=LOSSES[training.loss],
        **build_extras(training, epoch_images=100, coarse=False, teacher=teacher),
    )
    step.set_p(0.5)
    for number in range(steps):
        real = torch.zeros(training.batch, 3, *resolution)
        step(real, None, images=0, streams=StepStreams.at(0, number))


def megabytes(field: str) -> float:
    """A line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def measure(kind: str, side: int, batch: int, path_length: float) -> str:
    """One line of the table, in this process."""
    keep_freed_memory()
    small = {"channel_base": 64, "channel_max": 4, "latent_dim": 8, "style_dim": 8}
    narrow = (
        {"width": 16, "heads": 1, "depth": 1}
        if kind in ("vit", "taught")
        else {"channel_base": 64, "channel_max": 4}
    )
    first = "vit" if kind == "taught" else kind  # the memory of a teacher would be kept
    train(configured(first, 16, 2, 2.0, generator=small, discriminator=narrow), 1)
    before, config = megabytes("VmRSS"), configured(kind, side, batch, path_length)
    train(config, 3)
    measured = megabytes("VmHWM") - before
    said, formula = expected_bytes(config) / 2**20, least_bytes(config) / 2**20
    return (
        f"| {kind} | {side} | {batch} | {path_length:g} | {formula:.0f} | {said:.0f} | {measured:.0f}"
        f" | {said / measured:.2f} |"
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        kind, *numbers = sys.argv[1:]
        print(measure(kind, int(numbers[0]), int(numbers[1]), float(numbers[2])))
    else:
        print("| discriminator | side | batch | path length | formula | said | measured | ratio |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        for row in ROWS:
            subprocess.run([sys.executable, __file__, *map(str, row)], check=True)
