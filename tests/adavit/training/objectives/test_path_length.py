"""The path-length penalty against finite differences."""

import math

import torch
from torch import Tensor

from adavit.training.objectives.path_length import PathLengthPenalty
from tests.adavit.training.small_step import (
    COUNT,
    Reference,
    make_step,
    run,
)


def test_path_length_equals_its_formula_by_finite_differences() -> None:
    regularizer = PathLengthPenalty(2, 1, 0.5)
    step = make_step(regularizer)
    ref = Reference(step)
    stream = ref.streams.of("path length")
    z = torch.randn(3, 6, generator=stream)
    w = ref.g.mapping(z)[:, None].repeat(1, ref.g.synthesis.style_count, 1).detach()
    noise_state = stream.get_state()

    def images(styles: Tensor) -> Tensor:
        noise = torch.Generator()
        noise.set_state(noise_state)
        return ref.g.synthesis(styles, noise=noise)

    ref.g.synthesis(w, noise=stream)
    y = torch.randn(3, 3, 8, 8, generator=stream) / math.sqrt(64)
    squares = torch.zeros(3, w.shape[1])
    with torch.no_grad():
        for layer in range(w.shape[1]):
            for axis in range(6):
                moved = torch.zeros_like(w)
                moved[:, layer, axis] = 1e-2
                slope = ((images(w + moved) - images(w - moved)) * y).sum(dim=(1, 2, 3)) / 2e-2
                squares[:, layer] += slope.square()
    lengths = squares.mean(dim=1).sqrt()
    first = run(step)
    torch.testing.assert_close(first.losses["path_length"], lengths.mean(), rtol=1e-2, atol=0)
    expected = (lengths - lengths.mean()).square().mean()
    torch.testing.assert_close(first.losses["path_length_penalty"], expected, rtol=0.05, atol=1e-7)
    second = run(step, COUNT)
    half_way = (first.losses["path_length"] + second.losses["path_length"]) / 2
    torch.testing.assert_close(regularizer.mean, half_way)
