"""CPU time per pixel of a step's networks at oblong shapes, over that of a square of about the same area.

    python benchmarks/shape_speed.py                           24x40 and 48x32 against squares, both discriminators
    python benchmarks/shape_speed.py --shapes 48x32 --rounds 9

A step is the generator's and the discriminator's, forwards and backwards, and R1 at real images; data are random and
not augmented. The square and the shape take turns, and change who is first from round to round, on one thread; the time
is that of the process, so that other work on the machine counts little. The ratio is the median over the rounds of time
per pixel at the shape over that of the square next to it; beside it are the quartiles. 1 is as fast as a square.

A square has the same number of doublings and so the same widths as the shape, or it would compare other networks: for
24x40 (constant 3x5) it is 32 (4x4), for 48x32 (6x4) 40 (5x5).
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Python puts the folder of a script first in its path, where augment.py would hide the package of that name.
sys.path[:] = [
    entry for entry in sys.path if Path(entry).resolve() != Path(__file__).resolve().parent
]

import torch  # noqa: E402
from torch import nn  # noqa: E402

from adavit.build.networks import build_networks  # noqa: E402
from adavit.config.auto import RunFacts, resolve  # noqa: E402
from adavit.config.layers import build_config  # noqa: E402
from adavit.runtime.resolution import Resolution  # noqa: E402
from adavit.training.objectives.penalties import r1_penalty  # noqa: E402

BATCH = 4
CHANNELS = 3


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=["24x40", "48x32"])
    parser.add_argument("--kinds", nargs="+", default=["resnet", "vit"])
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| discriminator | shape | square | ms a step | of the square | ratio per pixel | quartiles |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind in arguments.kinds:
        for shape in map(Resolution.of, arguments.shapes):
            print(row(kind, shape, arguments.rounds), flush=True)


def row(kind: str, shape: Resolution, rounds: int) -> str:
    """A line of the table."""
    square = like(shape)
    pair = {shape: step(kind, shape), square: step(kind, square)}
    for each in pair.values():
        each()
        each()
    times: dict[Resolution, list[float]] = {shape: [], square: []}
    for turn in range(rounds):
        for size in (shape, square) if turn % 2 else (square, shape):
            start = time.process_time()
            pair[size]()
            times[size].append(time.process_time() - start)
    ratios = [
        (ours / shape.area) / (theirs / square.area)
        for ours, theirs in zip(times[shape], times[square], strict=True)
    ]
    low, middle, high = statistics.quantiles(ratios, n=4)
    ours, theirs = (1000 * statistics.median(times[size]) for size in (shape, square))
    return (
        f"| {kind} | {shape} | {square.height} | {ours:.0f} | {theirs:.0f} | {middle:.3f} |"
        f" {low:.3f} to {high:.3f} |"
    )


def like(shape: Resolution) -> Resolution:
    """The square of as many doublings that is nearest to the shape in area."""
    squares = (Resolution(a << shape.doublings, a << shape.doublings) for a in range(4, 8))
    return min(squares, key=lambda square: abs(square.area - shape.area))


def step(kind: str, size: Resolution) -> Callable[[], None]:
    """A step of networks as a run would have them."""
    config = resolve(
        build_config([{"data": {"resolution": str(size)}, "discriminator": {"kind": kind}}]),
        RunFacts(size, 2000, "cpu"),
    )
    networks = build_networks(config, image_channels=CHANNELS, num_classes=0)
    generator, discriminator = networks
    stream = torch.Generator().manual_seed(0)
    reals = torch.rand(BATCH, CHANNELS, *size, generator=stream) * 2 - 1
    latents = torch.randn(BATCH, generator.latent_dim, generator=stream)

    def once() -> None:
        fakes = generator(latents, noise=stream)
        discriminator(fakes).neg().mean().backward()
        forget(networks)
        real, fake = reals.clone().requires_grad_(), fakes.detach()
        logits = discriminator(real, twice_differentiable=True)
        loss = nn.functional.softplus(-logits).mean()
        loss = loss + nn.functional.softplus(discriminator(fake)).mean()
        (loss + r1_penalty(logits, real).mean()).backward()
        forget(networks)

    return once


def forget(networks: tuple[nn.Module, ...]) -> None:
    """Lets go of all gradients."""
    for network in networks:
        network.zero_grad(set_to_none=True)


if __name__ == "__main__":
    main()
