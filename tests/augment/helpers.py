"""Pipes and images that the tests of `augment` share."""

import math
from pathlib import Path

import torch
from torch import Tensor

from adavit.augment import AugmentPipe, Pipe, make_pipe
from adavit.augment.presets import PRESETS
from adavit.augment.settings import OPERATIONS

PUBLISHED = Path(__file__).parents[2].parent / "shared" / "reference" / "augment_reference.npz"


EVERYTHING = "everything"
"""For `pipe_of`: all operations, which no preset has."""


def pipe_of(name: str, **keywords: object) -> Pipe:
    """A pipe for the name of an operation, a preset, or of them all."""
    if name == EVERYTHING:
        return AugmentPipe(**dict.fromkeys(OPERATIONS, 1.0), **keywords)  # type: ignore[arg-type]
    if name in PRESETS or name == "diffaug":
        return make_pipe(name, **keywords)
    return AugmentPipe(**{name: 1.0}, **keywords)  # type: ignore[arg-type]


def random_images(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    """Images uniform in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64).mul(2).sub(1).to(dtype)


def smooth_images(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Images of a few waves, alike at every size."""
    batch, channels, height, width = shape
    y = torch.linspace(0, 2 * math.pi, height, dtype=torch.float64)[:, None]
    x = torch.linspace(0, 2 * math.pi, width, dtype=torch.float64)
    planes = [
        0.6 * torch.sin(x + 0.7 * plane) * torch.cos(0.8 * y - plane) + 0.1 * torch.cos(2 * x + y)
        for plane in range(batch * channels)
    ]
    return torch.stack(planes).view(shape).to(dtype)
