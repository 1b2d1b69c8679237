"""Consistency in latents; the formulas are in test_regularizer.py."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from adavit.training.objectives.consistency import (
    LatentConsistency,
    LatentDiversity,
    _drawn_nearby,
    consistency_shift,
)
from adavit.training.objectives.regularizer import Regularizer
from adavit.training.passes.generated import StyleMixing
from adavit.training.step.recorded_draws import DrawPlayer
from tests.adavit.training.small_step import (
    make_step,
    run,
)


def test_consistency_in_latents_keeps_the_mixing_and_the_noise() -> None:
    regularizer = LatentDiversity(1, 1e-4)
    step = make_step(regularizer, mixing=StyleMixing(1.0))
    # Other styles or other noise would make the images differ by far more.
    assert -1e-5 < run(step).losses["zcr_generator"] < 0


@pytest.mark.parametrize("kind", [LatentDiversity, LatentConsistency])
def test_rounding_is_no_difference_between_nearby_latents(kind: Callable[..., Regularizer]) -> None:
    regularizer = kind(1, 0.0)
    step = make_step(regularizer, autocast=torch.bfloat16)
    assert run(step).losses[regularizer.name] == 0


def test_what_is_played_back_is_drawn_in_the_precision_of_the_device_of_its_latents() -> None:
    latents, asked = torch.empty(2, 4, device="meta"), []
    recorder: Any = SimpleNamespace(tensors=[latents], calls=[0])
    player = DrawPlayer(recorder)  # whose streams are of the CPU, on whichever device it plays

    def precision(device: torch.device) -> AbstractContextManager[None]:
        asked.append(device)
        return nullcontext()

    batch: Any = SimpleNamespace(
        latents=latents,
        streams=player.streams,
        discriminator=SimpleNamespace(precision=precision),
        redraw=lambda moved: moved,
    )
    with player:
        _drawn_nearby(batch, "zcr_generator", 0.1)
    assert asked == [latents.device]


def test_the_shift_is_made_once_for_a_width() -> None:
    device = torch.device("cpu")
    assert consistency_shift(8, device) is consistency_shift(8, device)
    # One pixel at the least, 1/32 of the side from 32 px on.
    shifts = [consistency_shift(width, device).blitting.xint_max * width for width in (8, 32, 256)]
    assert shifts == [1, 1, 8]
