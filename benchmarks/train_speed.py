"""Images per second of whole training steps, by discriminator, precision and augmentation.

    python benchmarks/train_speed.py                     64 channels, batch 32, 32x32, as the published figure
    python benchmarks/train_speed.py --resolution 64     other sizes
    python benchmarks/train_speed.py --peer PATH         beside another trainer's code, a checkout of StyleGAN2-ADA
    python benchmarks/train_speed.py --compile           beside the same steps compiled, which takes minutes for each

Generator and discriminator, R1 at its interval, and the optimisers are all in the figure; data are random. Each row
is the best and the median of several rounds, taken in turn so that a slow moment of the machine meets every row.
The load average is printed beside it: above 1 at the start, other work shares the cores and the figures mean little.

Processors differ by a factor of two and more, so the table also says what this one allows: `GFLOP` are the products
and sums of an image's share of a step, `limit` is images/s if the machine did nothing else, at the rate it reaches in
one convolution of these channels (printed above the table), and `share` is how much of that the best round got.
The rows `apart` are the same layers in the published order of a step (generator's update, then the discriminator's,
then R1, each with passes of its own; textbook augmentation is not imitated): what part of a difference between two
machines is the machine's.

A peer's networks have the same sizes, and its rows are taken in turn with the others; below the table stands by how
much the rows of the ResNet, compiled ones too, are faster than the peer's of the same augmentation, the median over
rounds, and by how much compiled rows are faster than others.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.augment import AugmentPipe, make_pipe
from adavit.models import Generator, ResNetDiscriminator, ViTDiscriminator
from adavit.runtime.devices import keep_freed_memory
from adavit.runtime.randomness import generator_for
from adavit.training.objectives.gradient_penalties import ExactPenalty
from adavit.training.objectives.losses import LOSSES, discriminator_loss, generator_loss
from adavit.training.step.adversarial_step import AdversarialStep, StepStreams
from adavit.training.step.average import GeneratorAverage
from adavit.training.step.compiled_slices import compiled_slices
from adavit.training.step.slice_pass import as_written
from benchmarks.measuring import load, print_header, synchronise
from benchmarks.peer_step import PeerStep, folder
from benchmarks.work import WorkCount

PROBABILITY = 0.4
R1_WEIGHT = 0.005
"""Half of gamma."""

INTERVALS = {"resnet": 16, "vit": 4}
"""Steps from one R1 to the next, by kind of discriminator."""

KINDS = list(INTERVALS)


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        discriminator: Its kind.
        precision: Of the networks.
        augmented: Whether images go through the pipe.
        interval: Steps from one R1 to the next.
        apart: Whether the parts of the step have passes of their own.
        peer: Whether it is the peer's.
        compiled: Whether the step is compiled.
    """

    discriminator: str
    precision: str
    augmented: bool
    interval: int
    apart: bool = False
    peer: bool = False
    compiled: bool = False

    @property
    def name(self) -> str:
        """For the table."""
        if self.peer:
            return "peer"
        return self.discriminator + ", apart" * self.apart + ", compiled" * self.compiled


class PassesApart:
    """The parts of a step one after another, with an update and passes of its own for each network."""

    def __init__(self, step: AdversarialStep, interval: int) -> None:
        self.step, self.interval = step, interval

    def __call__(self, real: Tensor, labels: None, *, images: int, streams: StepStreams) -> None:
        """Trains on one batch, as `AdversarialStep` does."""
        step, batch = self.step, len(real)
        generator, discriminator = step.generator, step.discriminator

        def draw() -> Tensor:
            source = streams.latents
            shape = (batch, generator.latent_dim)
            latents = torch.randn(shape, generator=source, device=source.device)
            return generator(latents, noise=source)

        def estimate_leak(pictures: Tensor) -> Tensor:
            return step.logits(pictures, labels, streams.augmentation)

        def update(
            network: torch.nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor
        ) -> None:
            optimizer.zero_grad()
            loss.backward(inputs=list(network.parameters()))
            optimizer.step()

        update(generator, step.generator_optimizer, generator_loss(estimate_leak(draw())).mean())
        with torch.no_grad():
            generated = draw()
        loss = discriminator_loss(estimate_leak(real), estimate_leak(generated)).mean()
        update(discriminator, step.discriminator_optimizer, loss)
        if images // batch % self.interval == 0:
            real = real.requires_grad_()
            (slope,) = torch.autograd.grad(estimate_leak(real).sum(), real, create_graph=True)
            penalty = slope.square().sum(dim=(1, 2, 3)).mean() * R1_WEIGHT * self.interval
            update(discriminator, step.discriminator_optimizer, penalty)
        step.average.update(torch.tensor(True), images=images + batch, batch=batch)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--channels", type=int, default=64, help="at every resolution")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5, help="of 16 steps each")
    parser.add_argument(
        "--kinds", nargs="+", choices=KINDS, default=KINDS, help="of discriminators"
    )
    parser.add_argument("--peer", type=folder, help="checkout of another trainer, see above")
    parser.add_argument("--compile", action="store_true", help="compiled steps too")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cpu":
        keep_freed_memory()  # as training does
    rows = [
        Row(kind, precision, augmented, interval)
        for kind, interval in INTERVALS.items()
        if kind in arguments.kinds
        for precision in ("float32", "bf16")
        for augmented in (True, False)
    ]
    if arguments.compile:
        rows += [replace(row, compiled=True) for row in rows]
    rows += [Row("resnet", "float32", augmented, 16, apart=True) for augmented in (True, False)]
    if arguments.peer:
        rows += [Row("resnet", "float32", augmented, 16, peer=True) for augmented in (True, False)]
    steps = [build(row, arguments, device) for row in rows]
    print_header(device)
    print(
        f"{arguments.resolution}x{arguments.resolution}, batch {arguments.batch},"
        f" {arguments.channels} channels"
    )
    peak = convolution_gflops(arguments, device)
    print(f"one 3x3 convolution of these channels, float32: {peak:.0f} GFLOP/s")
    work: list[float] = []
    for row, step in zip(rows, steps, strict=True):  # warms up
        if row.compiled:  # whose operations are not seen
            measure(step, arguments, device)
            work.append(work[rows.index(replace(row, compiled=False))])
            continue
        with WorkCount() as count:
            measure(step, arguments, device)
        work.append(count.flops / (16 * arguments.batch) / 1e9)
    rates: list[list[float]] = [[] for _ in rows]
    for _ in range(arguments.rounds):
        for index, step in enumerate(steps):
            rates[index].append(measure(step, arguments, device))
    print(
        f"{'discriminator':16} {'precision':10} {'augmentation':14} {'R1 every':>8} {'best':>8}"
        f" {'median':>8} images/s {'GFLOP':>6} {'limit':>6} {'share':>6}"
    )
    for row, found, gflop in zip(rows, rates, work, strict=True):
        augmentation = f"bgc p={PROBABILITY}" if row.augmented else "none"
        best, median = max(found), statistics.median(found)
        print(
            f"{row.name:16} {row.precision:10} {augmentation:14}"
            f" {row.interval:8d} {best:8.1f} {median:8.1f} {'':8} {gflop:6.2f} {peak / gflop:6.0f}"
            f" {best * gflop / peak:6.0%}"
        )
    for line in [*beside_peer(rows, rates), *beside_eager(rows, rates)]:
        print(line)
    print(f"{load()} at the end")


def beside_peer(rows: Sequence[Row], rates: Sequence[Sequence[float]]) -> Iterator[str]:
    """How much faster the ResNet's rows are than the peer's, by the rounds of both.

    Args:
        rows: Of the table.
        rates: Images per second of each row, in the order of the rounds.
    """
    for peer, theirs in zip(rows, rates, strict=True):
        for row, ours in zip(rows, rates, strict=True):
            alike = (row.discriminator, row.augmented) == (peer.discriminator, peer.augmented)
            if peer.peer and alike and not (row.peer or row.apart):
                ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
                augmentation = f"bgc p={PROBABILITY}" if row.augmented else "no augmentation"
                yield f"{row.name}, {row.precision}, {augmentation}: {ratio:.2f} times the peer's"


def beside_eager(rows: Sequence[Row], rates: Sequence[Sequence[float]]) -> Iterator[str]:
    """How much faster compiled rows are than the same ones as they are written.

    Args:
        rows: Of the table.
        rates: As in `beside_peer`.
    """
    of = dict(zip(rows, rates, strict=True))
    for row in rows:
        if row.compiled:
            pairs = zip(of[row], of[replace(row, compiled=False)], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            augmentation = f"bgc p={PROBABILITY}" if row.augmented else "no augmentation"
            yield f"{row.name}, {row.precision}, {augmentation}: {ratio:.2f} times as written"


def build(
    row: Row, arguments: argparse.Namespace, device: torch.device
) -> AdversarialStep | PassesApart | PeerStep:
    """The step of one row."""
    torch.manual_seed(0)
    resolution = arguments.resolution
    if row.peer:
        return PeerStep(
            arguments.peer,
            resolution=resolution,
            channels=arguments.channels,
            p=PROBABILITY if row.augmented else None,
            interval=row.interval,
            r1_gamma=2 * R1_WEIGHT,
            device=device,
        )
    images: dict[str, Any] = {"resolution": resolution, "image_channels": 3, "num_classes": 0}
    sizes = {"channel_base": arguments.channels * resolution, "channel_max": arguments.channels}
    generator = Generator(
        **images,
        **sizes,
        latent_dim=128,
        style_dim=128,
        mapping_layers=2,
        mapping_lr_multiplier=0.01,
        noise="learned",
    )
    if row.discriminator == "resnet":
        discriminator: torch.nn.Module = ResNetDiscriminator(
            **images,
            **sizes,
            form="residual",
            normalization="none",
            minibatch_std_group=4,
            label_layers=2,
        )
    else:
        discriminator = ViTDiscriminator(
            **images,
            patch=resolution // 8,
            width=128,
            depth=3,
            heads=4,
            mlp_ratio=2.0,
            layer_scale=0.1,
            stem="overlap",
            position_embedding="learned1d",
            attention="qknorm",
            readout="cls",
            weight_constraint="none",
            registers=0,
            patch_drop=0.0,
            minibatch_std_group=0,
        )
    placed: dict[str, Any] = {"device": device, "memory_format": torch.channels_last}
    generator, discriminator = generator.to(**placed), discriminator.to(**placed)
    pipe = make_pipe("bgc").to(device)
    pipe.p.fill_(PROBABILITY if row.augmented else 0.0)
    step = AdversarialStep(
        generator=generator,
        discriminator=discriminator,
        average=GeneratorAverage(generator, half_life_kimg=10, ramp=0.05),
        pipe=pipe if row.augmented else AugmentPipe().to(device),
        generator_lr=0.0025,
        discriminator_lr=0.0025 if row.discriminator == "resnet" else 0.0006,
        betas=(0.0, 0.99),
        warmup_images=0,
        microbatch=None,
        autocast=torch.bfloat16 if row.precision == "bf16" else None,
        computation=compiled_slices if row.compiled else as_written,
        loss=LOSSES["non_saturating"],
        regularizers=[ExactPenalty("r1", "real", weight=R1_WEIGHT, interval=row.interval)],
    )
    return PassesApart(step, row.interval) if row.apart else step


def convolution_gflops(arguments: argparse.Namespace, device: torch.device) -> float:
    """What the device reaches in the convolution that a step consists of, the best of 30."""
    channels, side = arguments.channels, arguments.resolution
    images = torch.randn(arguments.batch, channels, side, side, device=device)
    weight = torch.randn(channels, channels, 3, 3, device=device)
    images, weight = (t.to(memory_format=torch.channels_last) for t in (images, weight))
    best = float("inf")
    for _ in range(30):
        started = time.perf_counter()
        F.conv2d(images, weight, padding=1)
        synchronise(device)
        best = min(best, time.perf_counter() - started)
    return 2 * images.numel() * channels * 9 / best / 1e9


def measure(
    step: AdversarialStep | PassesApart | PeerStep,
    arguments: argparse.Namespace,
    device: torch.device,
) -> float:
    """Images per second over 16 steps, one R1 interval of the published setting."""
    batch, side = arguments.batch, arguments.resolution
    real = torch.rand(batch, 3, side, side, device=device) * 2 - 1
    started = time.perf_counter()
    for index in range(16):
        streams = StepStreams(
            generator_for(0, "latents", index, device),
            generator_for(0, "augmentation", index, device),
        )
        step(real, None, images=index * batch, streams=streams)
    synchronise(device)
    return 16 * batch / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
