"""What the processes of a run tell each other in a step, counted, and what that costs many GPUs, on paper.

    python benchmarks/communication.py        Markdown, as in benchmarks/results/communication.md

Messages and bytes are those that a process asks of `adavit.runtime.world.World` in one step, counted on networks
without content (torch's device "meta"), so nothing is trained and no GPU is needed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from torch import nn

from adavit.build.networks import build_networks
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, read_preset
from adavit.config.run import ResolvedConfig
from adavit.runtime.imagined_world import ImaginedWorld
from adavit.runtime.resolution import Resolution
from adavit.runtime.world import World
from adavit.training.step.microbatch_sums import MicrobatchSums
from adavit.training.step.reduction import Fast, InOrder, Reduction
from adavit.training.step.slices import Slices

IMAGES_PER_S = {"resnet": 499.0, "vit": 405.0}
"""Of an H200 at 256 px in bf16, 32 images at a time as a CUDA graph, with R1 (benchmarks/results/h200.md)."""
LEAST_SLICE_S = {"resnet": 0.0195, "vit": 0.0185}
"""No slice takes less, however few its images: a plain step at 32 px (there). Cautious: what bounds it is not known."""
NVLINK, INFINIBAND = 450e9, 50e9
"""Bytes per second that a GPU sends and receives, within a machine of 8 and between machines."""
MESSAGE_S = 50e-6
"""Until a message to 64 GPUs begins to flow."""
LOSSES = ("loss_generator", "loss_discriminator", "r1")
Kind = Callable[[World], Reduction]


def told_in_a_step(config: ResolvedConfig, kind: Kind, size: int) -> ImaginedWorld:
    """What the first of so many processes tells the others in a step with R1.

    Args:
        config: Of the run.
        kind: `InOrder` or `Fast`.
        size: Number of processes.
    """
    tally = ImaginedWorld(size)
    training = config.training
    slices = Slices.of(training.batch, training.microbatch, tally)
    with torch.device("meta"):
        networks = build_networks(config, image_channels=3, num_classes=0)
        trained = [weight for network in networks for weight in network.parameters()]
        total = kind(tally).begin(slices, trained)
        for _ in slices.own:
            for weight in trained:
                weight.grad = torch.empty_like(weight)
            total.add()
        total.finish()
        part = MicrobatchSums(
            train_logits=torch.empty(slices.size),
            generated_logits=torch.empty(slices.size),
            losses={name: torch.empty(()) for name in LOSSES},
            styles=torch.empty(slices.size, config.generator.style_dim),
            is_training=None,
            observed={},
        )
        MicrobatchSums.total([part] * len(slices.own), tally)
    return tally


@dataclass(frozen=True)
class Setup:
    """Networks and a batch.

    Attributes:
        name: In words.
        kind: Of the discriminator.
        device: Whose default settings.
        side: Of the images in pixels.
        preset: Whose settings are laid over them, or None.
    """

    name: str
    kind: str
    device: str
    side: int
    preset: str | None = None

    def config(self, batch: int, microbatch: int) -> ResolvedConfig:
        """What a run holds."""
        layers: list[Any] = [{"discriminator": {"kind": self.kind}}]
        layers += [] if self.preset is None else [read_preset(self.preset)]
        layers.append({"training": {"batch": batch, "microbatch": microbatch}})
        facts = RunFacts(Resolution.of(self.side), training_images=10_000, device=self.device)
        return resolve(build_config(layers), facts)


SMALL = [Setup(f"{kind}, 32 px, a CPU's", kind, "cpu", 32) for kind in ("resnet", "vit")]
LARGE = [
    Setup("resnet, 256 px, stylegan2-ada", "resnet", "cuda", 256, "stylegan2-ada"),
    Setup("vit, 256 px", "vit", "cuda", 256),
]
COUNTED = [(setup, 16, 4, size) for setup in SMALL for size in (2, 4)]
COUNTED += [(setup, 64, 8, 8) for setup in LARGE] + [(setup, 256, 4, 64) for setup in LARGE]
COUNTED += [(LARGE[0], 96, 4, size) for size in (8,)]
"""Batch, images of a slice and processes; the last has 24 slices, so that processes have 3 each: two sums to tell."""
EXTRAPOLATED = [(1, 64, 8), (8, 64, 8), (8, 256, 32), (64, 512, 8), (64, 2048, 32)]
"""GPUs, batch and images of a slice."""


def count(networks: tuple[nn.Module, ...]) -> float:
    """Millions of parameters."""
    return sum(weight.numel() for network in networks for weight in network.parameters()) / 1e6


def counted_table() -> list[str]:
    """Messages and bytes of a step."""
    lines = [
        "| networks | parameters M | batch | slice | processes | messages | MB sent by each | with `Fast` |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setup, batch, microbatch, size in COUNTED:
        config = setup.config(batch, microbatch)
        with torch.device("meta"):
            millions = count(build_networks(config, image_channels=3, num_classes=0))
        ordered, fast = (told_in_a_step(config, kind, size) for kind in (InOrder, Fast))
        lines.append(
            f"| {setup.name} | {millions:.1f} | {batch} | {microbatch} | {size} | {ordered.messages} |"
            f" {ordered.sent / 1e6:.1f} | {fast.messages}; {fast.sent / 1e6:.1f} |"
        )
    return lines


def step_seconds(kind: str, size: int, batch: int, microbatch: int) -> float:
    """Of the arithmetic of each GPU, as the slowest of two bounds has it."""
    slices = batch // microbatch // size
    return slices * max(LEAST_SLICE_S[kind], microbatch / IMAGES_PER_S[kind])


def extrapolated_table() -> list[str]:
    """Images per second of many GPUs, on paper."""
    lines = [
        "| networks | H200s | batch | slice | arithmetic ms | telling ms | images/s | of a perfect share |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for setup in LARGE:
        for size, batch, microbatch in EXTRAPOLATED:
            tally = ImaginedWorld(1)
            if size > 1:
                tally = told_in_a_step(setup.config(batch, microbatch), InOrder, size)
            width = NVLINK if size <= 8 else INFINIBAND
            arithmetic = step_seconds(setup.kind, size, batch, microbatch)
            telling = tally.sent / width + tally.messages * MESSAGE_S
            speed = batch / (arithmetic + telling)
            part = speed / (size * IMAGES_PER_S[setup.kind])
            lines.append(
                f"| {setup.name} | {size} | {batch} | {microbatch} | {1000 * arithmetic:.0f} |"
                f" {1000 * telling:.1f} | {speed:,.0f} | {part:.0%} |"
            )
    return lines


if __name__ == "__main__":
    print("\n".join([*counted_table(), "", *extrapolated_table()]))
