"""Penalties on the gradient of the discriminator; the formulas are in test_regularizer.py."""

import torch
from torch import Tensor

from adavit.augment import make_pipe
from adavit.models import ViTDiscriminator
from adavit.models.names import Side
from adavit.training.objectives.gradient_penalties import (
    ApproximatePenalty,
    ExactPenalty,
)
from tests.adavit.training.small_step import COUNT, make_step, run


def test_a_penalty_is_weighted_by_its_interval() -> None:
    every, third = ExactPenalty("r2", "generated", 3, 1), ExactPenalty("r2", "generated", 1, 3)
    one, other = make_step(every), make_step(third)
    assert "r2" in run(one).losses
    assert "r2" in run(other).losses
    for a, b in zip(one.discriminator.parameters(), other.discriminator.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert "r2" not in run(other, COUNT).losses


class Dropping(ViTDiscriminator):
    """Looks at a part of the rows only, as a discriminator that leaves patches out."""

    def draw_pass(self, batch: int, side: Side, generator: torch.Generator) -> dict[str, Tensor]:
        return {"kept": torch.rand(batch, 1, 8, 1, generator=generator) < 0.5}

    def judge(  # type: ignore[override]
        self, images: Tensor, *rest: object, kept: Tensor, **options: bool
    ) -> tuple[Tensor, Tensor]:
        return super().judge(images * kept, *rest, **options)  # type: ignore[arg-type]


def test_the_approximate_penalty_looks_at_the_same_patches_twice() -> None:
    regularizer = ApproximatePenalty("r1", "real", 1, 1, sigma=0.0001, central=False)
    step = make_step(regularizer, pipe=make_pipe("bgcfnc", diffusion=1))
    step.discriminator.__class__ = Dropping
    # With other draws the difference would be that of two views, over a ten-thousandth.
    assert run(step).losses["r1"] < 1e4
