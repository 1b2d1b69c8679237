"""The random generators of one training step, each keyed by its purpose and the images seen."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch

from adavit.runtime.randomness import generator_for


def replay(stream: torch.Generator, state: torch.Tensor) -> torch.Generator:
    """A generator that draws again what `stream` drew after it was in `state`; `stream` stays as it is."""
    again = torch.Generator(device=stream.device)
    again.set_state(state)
    return again


def _unknown(purpose: str) -> torch.Generator:
    raise LookupError(
        f"these streams have none for {purpose!r}, expected those of StepStreams.at. Make them"
        " with it."
    )


@dataclass(frozen=True)
class StepStreams:
    """The random generators of one step: what one part draws never shifts what another part draws.

    Attributes:
        latents: For z and the noise of each pixel.
        augmentation: For the augmentation of the step's images.
        of: By purpose, for whatever else draws; the same purpose twice continues its stream.
    """

    latents: torch.Generator
    augmentation: torch.Generator
    of: Callable[[str], torch.Generator] = _unknown

    @classmethod
    def at(cls, seed: int, images: int, device: torch.device | str = "cpu") -> Self:
        """The streams of the step after `images` real images.

        Args:
            seed: The run's seed.
            images: Real images seen.
            device: Where the numbers are drawn.
        """
        of = functools.cache(lambda purpose: generator_for(seed, purpose, images, device))
        return cls(of("latents"), of("augmentation"), of)
