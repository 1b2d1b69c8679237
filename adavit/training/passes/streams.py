"""The random generators of a slice of a training step, each keyed by its purpose, the images seen and the slice."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, Self

import torch

from adavit.runtime.randomness import generator_for


def replay(stream: torch.Generator, state: torch.Tensor) -> torch.Generator:
    """A generator that draws again what `stream` drew after it was in `state`; `stream` stays as it is."""
    again = torch.Generator(device=stream.device)
    again.set_state(state)
    return again


def _unknown(purpose: str) -> NoReturn:
    raise LookupError(
        f"these streams have none for {purpose!r}, expected those of StepStreams.at. Make them"
        " with it."
    )


def _unknown_slice(number: int) -> NoReturn:
    _unknown(f"slice {number}")


@dataclass(frozen=True)
class StepStreams:
    """The random generators of a slice of a step: what one part draws never shifts what another part draws.

    Attributes:
        latents: For z and the noise of each pixel.
        augmentation: For the augmentation of the step's images.
        of: By purpose, for whatever else draws; the same purpose twice continues its stream.
        of_slice: The streams of a slice of the same step from their start, by its number.
    """

    latents: torch.Generator
    augmentation: torch.Generator
    of: Callable[[str], torch.Generator] = _unknown
    of_slice: Callable[[int], "StepStreams"] = _unknown_slice

    def twin(self) -> "StepStreams":
        """Streams that draw what these would draw now; these stay as they are."""

        def ahead(stream: torch.Generator) -> torch.Generator:
            return replay(stream, stream.get_state())

        return StepStreams(
            ahead(self.latents),
            ahead(self.augmentation),
            functools.cache(lambda purpose: ahead(self.of(purpose))),
        )

    @classmethod
    def at(
        cls,
        seed: int,
        images: int,
        device: torch.device | str = "cpu",
        *,
        slice_number: int = 0,
    ) -> Self:
        """The streams of the step after `images` real images.

        Args:
            seed: The run's seed.
            images: Real images seen.
            device: Where the numbers are drawn.
            slice_number: Of the slice that draws them, from 0.
        """
        of = functools.cache(
            lambda purpose: generator_for(seed, purpose, images, device, slice_number=slice_number)
        )
        return cls(
            of("latents"),
            of("augmentation"),
            of,
            lambda other: cls.at(seed, images, device, slice_number=other),
        )
