"""Time and memory of the augmentation pipeline, beside kornia's and another implementation's.

    python benchmarks/augment.py [--quick] [--device cuda] [--peer PATH [--peer-object MODULE:CLASS]]

Each row is a group at one shape, with p = 0.6: milliseconds of the forward pass, of forward and backward, and of
an R1 step (forward, gradient with a graph, gradient of its square), the least of many runs, in turns; and the peak
extra memory of forward and of forward and backward, in batches (bytes over the bytes of the images). The rows
of kornia are its nearest random augmentations: unlike work, for orientation only. "Textbook" is the formula of
the same group written down step by step in plain torch, without care for speed: times published for another
machine can be judged by what the same formula takes on this one. A peer is a checkout of
another implementation whose class takes the same multipliers; it is imported from its path and timed in turns
with ours, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import kornia.augmentation as K
import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.augment import AugmentPipe
from adavit.augment.filtering import BAND_POWER
from adavit.augment.presets import preset_multipliers
from adavit.augment.wavelets import BANDS, filter_bank
from benchmarks.measuring import peak_bytes, print_header, synchronise

Work = Callable[[Tensor], Tensor]
NAMES = ("blit", "geom", "color", "filter", "noise", "cutout", "bgc")
SHAPES = {
    "cpu": ((64, 3, 32, 32), (16, 3, 256, 256)),
    "cuda": ((64, 3, 32, 32), (64, 3, 256, 256), (16, 3, 1024, 1024)),
}
STEPS = ("forward", "+ backward", "+ R1")
RUNS_PER_TURN = 5
"""Of each work before the next one: the first of them finds the processor's caches full of another's."""


def kornia_nearest(name: str) -> Work | None:
    """Random augmentations of kornia that come nearest to a group."""
    p = 0.6
    rows: dict[str, list[torch.nn.Module]] = {
        "blit": [K.RandomHorizontalFlip(p=p), K.RandomAffine(0, translate=(0.125, 0.125), p=p)],
        "geom": [K.RandomAffine(180, (0.1, 0.1), (0.7, 1.4), p=p, padding_mode="reflection")],
        "color": [K.ColorJiggle(0.2, 0.5, 0.5, 0.5, p=p)],
        "filter": [K.RandomGaussianBlur((9, 9), (0.1, 2.0), p=p)],
        "noise": [K.RandomGaussianNoise(std=0.1, p=p)],
        "cutout": [K.RandomErasing((0.25, 0.25), (1.0, 1.0), p=p)],
    }
    return torch.nn.Sequential(*rows[name]) if name in rows else None


def gated(batch: int, value: Tensor, neutral: float) -> Tensor:
    """The value where a gate of probability 0.6 opens, else the neutral one, [B]."""
    return torch.where(torch.rand(batch) < 0.6, value, torch.full_like(value, neutral))


def textbook_color(images: Tensor) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation as homogeneous 4x4 matrices, one after another."""
    batch = len(images)
    axis = torch.tensor([1.0, 1.0, 1.0, 0.0]) / 3**0.5
    projection, unit = torch.outer(axis, axis), torch.eye(4)
    homogeneous = torch.diag(torch.tensor([0.0, 0.0, 0.0, 1.0]))
    a = 1 / 3**0.5
    cross = torch.tensor([[0, -a, a, 0], [a, 0, -a, 0], [-a, a, 0, 0], [0, 0, 0, 0]])

    def per_matrix(value: Tensor) -> Tensor:
        return value[:, None, None]

    shift = unit.repeat(batch, 1, 1)
    shift[:, :3, 3] = gated(batch, torch.randn(batch) * 0.2, 0)[:, None]
    contrast = per_matrix(gated(batch, torch.exp2(torch.randn(batch) * 0.5), 1))
    color = (contrast * (unit - homogeneous) + homogeneous) @ shift
    flip = per_matrix(gated(batch, torch.randint(2, (batch,)).float(), 0))
    color = (unit - 2 * projection * flip) @ color
    angle = per_matrix(gated(batch, (torch.rand(batch) * 2 - 1) * torch.pi, 0))
    rest = unit - projection - homogeneous
    color = (projection + homogeneous + angle.cos() * rest + angle.sin() * cross) @ color
    scale = per_matrix(gated(batch, torch.exp2(torch.randn(batch)), 1))
    color = (projection + homogeneous + rest * scale) @ color
    planes = images.flatten(2)
    return (color[:, :3, :3] @ planes + color[:, :3, 3:]).view(images.shape)


def textbook_filter(images: Tensor) -> Tensor:
    """Gains of four bands, one summed filter per image, two grouped convolutions of the padded batch."""
    batch, channels, height, width = images.shape
    bank, power = torch.tensor(filter_bank()), torch.tensor(BAND_POWER)
    gains = torch.ones(batch, BANDS)
    for band in range(BANDS):
        one = torch.ones(batch, BANDS)
        one[:, band] = gated(batch, torch.exp2(torch.randn(batch)), 1)
        gains = gains * one / (power * one.square()).sum(1, keepdim=True).sqrt()
    taps = (gains @ bank).repeat_interleave(channels, dim=0)
    half = taps.shape[1] // 2
    padding = (half, half, half, half)
    while min(images.shape[2:]) <= half:  # F.pad refuses to reflect more than once
        some = min(images.shape[2:]) - 1
        images = F.pad(images, (some,) * 4, mode="reflect")
        half -= some
        padding = (half, half, half, half)
    padded = F.pad(images, padding, mode="reflect")
    planes = padded.view(1, batch * channels, *padded.shape[2:])
    planes = F.conv2d(planes, taps[:, None, None], groups=batch * channels)
    planes = F.conv2d(planes, taps[:, None, :, None], groups=batch * channels)
    return planes.view(batch, channels, height, width)


def textbook_noise(images: Tensor) -> Tensor:
    """Normal noise of half normal strength."""
    batch = len(images)
    sigma = gated(batch, torch.randn(batch).abs() * 0.1, 0)
    return images + torch.randn_like(images) * sigma[:, None, None, None]


TEXTBOOK = {"color": textbook_color, "filter": textbook_filter, "noise": textbook_noise}


def run(work: Work, images: Tensor, upstream: Tensor, step: str) -> None:
    """Do one step of one kind; `upstream` is what a discriminator would send back."""
    if step == "forward":
        with torch.no_grad():
            work(images)
        return
    images = images.detach().requires_grad_()
    result = work(images)
    if step == "+ backward":
        result.backward(upstream)
        return
    (gradient,) = torch.autograd.grad(result.square().sum(), images, create_graph=True)
    gradient.square().sum().backward()


def one_ms(work: Work, images: Tensor, upstream: Tensor, step: str) -> float:
    """Milliseconds of one run."""
    synchronise(images.device)
    start = time.perf_counter()
    run(work, images, upstream, step)
    synchronise(images.device)
    return (time.perf_counter() - start) * 1e3


def least_ms(works: list[Work], images: Tensor, step: str, seconds: float) -> list[float | None]:
    """The least milliseconds of each of several works, run in turns; None for one that fails."""
    best: list[float | None] = [float("inf")] * len(works)
    upstream = torch.ones_like(images)
    end = time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        for index, work in enumerate(works):
            if best[index] is None:
                continue
            try:
                least = min(one_ms(work, images, upstream, step) for _ in range(RUNS_PER_TURN))
                best[index] = min(best[index], least)  # type: ignore[type-var]
            except (RuntimeError, NotImplementedError, ValueError):
                best[index] = None  # for example no second derivative
        rounds += 1
    return best


def peak_batches(work: Work, images: Tensor, step: str) -> float:
    """Peak extra memory of one step, in batches, besides the images and the gradient sent back."""
    upstream = torch.ones_like(images)
    peak = peak_bytes(lambda: run(work, images, upstream, step), images.device)
    return peak / images.nbytes


def load_peer(path: str, target: str) -> Callable[..., Work]:
    """The class of another implementation, from a checkout."""
    module, _, name = target.partition(":")
    sys.path.insert(0, path)
    return getattr(importlib.import_module(module), name)


def cell(value: float | None) -> str:
    """A number for the table."""
    return f"{'-':>11}" if value is None else f"{value:11.2f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", help="path to a checkout of another implementation")
    parser.add_argument("--peer-object", default="training.augment:AugmentPipe")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--compile", action="store_true", help="compile our pipe (no R1 then)")
    parser.add_argument("--names", nargs="+", default=list(NAMES))
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the time, small shape only"
    )
    options = parser.parse_args()
    peer = load_peer(options.peer, options.peer_object) if options.peer else None
    seconds = 0.1 if options.quick else 1.0
    shapes = SHAPES[options.device][: 1 if options.quick else None]
    print_header(torch.device(options.device), options.dtype)
    heads = "".join(f"{head:>11}" for head in (*STEPS, "memory", "with bwd"))
    print(f"{'shape':>18} {'group':8} {'of':8}{heads}   (ms; batches)")
    for shape in shapes:
        images = torch.rand(shape, device=options.device).mul(2).sub(1)
        images = images.to(getattr(torch, options.dtype))
        for name in options.names:
            multipliers = preset_multipliers(name)
            ours = AugmentPipe(**multipliers).to(options.device)  # type: ignore[arg-type]
            ours.p.fill_(0.6)
            works: dict[str, Work] = {"ours": torch.compile(ours) if options.compile else ours}
            if peer is not None:
                works["peer"] = peer(**multipliers).to(options.device)  # type: ignore[attr-defined]
                works["peer"].p.copy_(torch.as_tensor(0.6))  # type: ignore[attr-defined]
            if name in TEXTBOOK and options.device == "cpu":
                works["textbook"] = TEXTBOOK[name]
            if (nearest := kornia_nearest(name)) is not None:
                works["kornia"] = nearest
            times = [least_ms(list(works.values()), images, step, seconds) for step in STEPS]
            for index, (label, work) in enumerate(works.items()):
                columns = [column[index] for column in times]
                memory = [peak_batches(work, images, step) for step in STEPS[:2]]
                text = "".join(cell(value) for value in (*columns, *memory))
                print(f"{shape!s:>18} {name:8} {label:8}{text}", flush=True)


if __name__ == "__main__":
    main()
