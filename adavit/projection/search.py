"""The search for styles that draw given images: StyleGAN2's projector (Karras et al. 2020, arXiv:1912.04958, app. D).

It differs in two ways. What is compared is of the caller's choice; and the noise of each pixel stays the generator's
fixed one, so that the styles alone give the image again. Searching it too, regularised as in the paper, brought ten
images of CIFAR-10 no nearer after 300 steps: 0.69 instead of 0.69 in a network's features, 0.91 instead of 0.87 in
another's, and 0.74 and 0.92 where it was then left out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from adavit.data import images_to_float
from adavit.models import Generator
from adavit.projection.distance import Distance
from adavit.projection.pictures import WayFilm
from adavit.projection.schedules import noise_factor, rate_factor
from adavit.projection.styles import StyleCloud
from adavit.runtime.console import Console
from adavit.runtime.randomness import generator_for
from adavit.runtime.thinning import evenly_spread

Space = Literal["w", "w+"]
"""w: one style for all layers; w+: one for each, which comes nearer and leaves what the generator knows sooner."""

RATE = 0.1
"""Learning rate of Adam between its ramps."""

PIXELS = 2**17
"""Of the images that are searched for at a time: 32 of 64 px, 2 of 256 px."""

FRAMES = 48
"""Images of the way that are kept of each target, at most."""

Watch = Callable[[int, Tensor, Tensor], None]
"""Told of some steps: how many are done, the images [B, C, R, R] there, and their distances [B]."""


@dataclass(frozen=True)
class FoundStyles:
    """What a search has found.

    Attributes:
        w: Styles of each layer [B, L, W].
        start: Distance [B] of the image of the mean style.
        end: Distance [B] of the images of `w`.
    """

    w: Tensor
    start: Tensor
    end: Tensor


def search_styles(
    generator: Generator,
    targets: Tensor,
    distance: Distance,
    cloud: StyleCloud,
    *,
    steps: int,
    space: Space,
    seed: int,
    watch: Watch | None = None,
    progress: Callable[[int], None] | None = None,
) -> FoundStyles:
    """Searches styles for images, all at once; each is found as it would be alone, but for rounding.

    Steps of Adam enlarge the rounding: after 150 of them a distance differed by a thousandth of itself.

    Args:
        generator: In evaluation mode, without gradients of its weights.
        targets: Images [B, C, R, R] in [-1, 1]. Not modified.
        distance: What is made small.
        cloud: Where it begins, and the scale of the noise.
        steps: Of Adam, at least 1.
        space: What is searched.
        seed: Of the noise on the styles: all targets have the same, so that none depends on the others.
        watch: Told of the start, the end, and steps between, `FRAMES` in all at most.
        progress: Told how many steps are done.
    """
    layers = generator.synthesis.style_count
    searched = 1 if space == "w" else layers
    with torch.no_grad():
        wanted = distance.of(targets)
    w = cloud.mean.repeat(len(targets), searched, 1).requires_grad_()
    stream = generator_for(seed, "noise on styles", 0)
    optimizer = torch.optim.Adam([w], lr=RATE)
    shown = set(evenly_spread(steps + 1, FRAMES))  # `_look` tells of both ends
    start = _look(generator, w, distance, wanted, watch, 0)
    for step in range(steps):
        done = step / steps
        optimizer.param_groups[0]["lr"] = RATE * rate_factor(done)
        noise = torch.randn(1, searched, w.shape[2], generator=stream).to(w.device)
        noise *= cloud.spread * noise_factor(done)
        images = _drawn(generator, w + noise)
        distances = distance.between(images, wanted)
        optimizer.zero_grad(set_to_none=True)
        distances.sum().backward()
        optimizer.step()
        if watch is not None and step in shown and step:
            watch(step, images.detach(), distances.detach())
        if progress is not None:
            progress(step + 1)
    end = _look(generator, w, distance, wanted, watch, steps)
    return FoundStyles(w.detach().expand(-1, layers, -1).contiguous(), start, end)


@torch.no_grad()
def _look(
    generator: Generator,
    w: Tensor,
    distance: Distance,
    wanted: Sequence[Tensor],
    watch: Watch | None,
    step: int,
) -> Tensor:
    images = _drawn(generator, w)
    distances = distance.between(images, wanted)
    if watch is not None:
        watch(step, images, distances)
    return distances


def _drawn(generator: Generator, w: Tensor) -> Tensor:
    images: Tensor = generator.synthesis(w[:, 0] if w.shape[1] == 1 else w)
    return images


def search_in_parts(
    generator: Generator,
    targets: Tensor,
    distance: Distance,
    cloud: StyleCloud,
    *,
    steps: int,
    space: Space,
    seed: int,
    console: Console,
) -> Iterator[tuple[slice, FoundStyles, WayFilm]]:
    """Searches styles for any number of images, some at a time.

    Args:
        generator: As for `search_styles`, and so is what follows.
        targets: uint8 [N, C, R, R], on the CPU.
        distance: What is made small.
        cloud: Where it begins.
        steps: Of each part.
        space: What is searched.
        seed: The same for each part.
        console: Told how it goes.

    Yields:
        Which of the images, what was found for them, and the way there.
    """
    size = max(1, PIXELS // generator.resolution.area)
    parts = [slice(at, min(at + size, len(targets))) for at in range(0, len(targets), size)]
    for number, part in enumerate(parts):
        film, before = WayFilm(targets[part]), number * steps

        def tell(done: int, before: int = before) -> None:
            console.activity("projecting: step", before + done, len(parts) * steps)

        found = search_styles(
            generator,
            images_to_float(targets[part].to(cloud.mean.device)),
            distance,
            cloud,
            steps=steps,
            space=space,
            seed=seed,
            watch=film.watch,
            progress=tell,
        )
        yield part, found, film
