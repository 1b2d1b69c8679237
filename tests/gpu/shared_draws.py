"""The same random numbers on every device: its own generator would draw others from the same seed."""

from typing import Any

import pytest
import torch
from torch import Tensor

from adavit.runtime import randomness
from adavit.training.passes import streams

FUNCTIONS = ("rand", "randn", "randint", "randperm")


class CpuGenerator:
    """Stands for a generator of some device, and has the numbers drawn on the CPU."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.source = torch.Generator()

    def manual_seed(self, seed: int) -> "CpuGenerator":
        self.source.manual_seed(seed)
        return self

    def get_state(self) -> Tensor:
        return self.source.get_state()

    def set_state(self, state: Tensor) -> "CpuGenerator":
        self.source.set_state(state)
        return self


class _Torch:
    """torch, with that generator in the place of its own."""

    Generator = CpuGenerator

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def share_draws(patch: pytest.MonkeyPatch) -> None:
    """Lets the package's streams draw on the CPU, and torch move what they drew."""
    for module in (randomness, streams):
        patch.setattr(module, "torch", _Torch())
    for name in FUNCTIONS:
        patch.setattr(torch, name, _drawn_on_the_cpu(getattr(torch, name)))


def _drawn_on_the_cpu(function: Any) -> Any:
    def draw(*arguments: Any, **keywords: Any) -> Tensor:
        generator = keywords.get("generator")
        if not isinstance(generator, CpuGenerator):
            drawn: Tensor = function(*arguments, **keywords)
            return drawn
        wanted = torch.device(keywords.pop("device", "cpu"))
        assert wanted.type == generator.device.type  # torch itself would refuse it
        drawn = function(*arguments, **{**keywords, "generator": generator.source})
        return drawn.to(wanted)

    return draw
