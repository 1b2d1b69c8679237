"""The interface of an augmentation pipe: it draws parameters at the present p, and transforms images by them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment.draws import Draws, Parameters, QuantileDraws, RandomDraws
from adavit.augment.extras import Extras, Operation
from adavit.augment.group import check_images, outside_autocast, working_precision

PipeParameters = dict[str, Parameters]
"""The drawn parameters of a whole pipe: one entry for each group that is switched on."""


class Pipe(nn.Module):
    """Random augmentation of batches of images; `AugmentPipe` and `DiffAugment` are the two kinds.

    A kind has its own `sample` and `transform_prepared`, and `prepare` where there is something to prepare.

    Attributes:
        p: Probability, 0-d float32 buffer, saved with the module. 1 at first; change it in place at any step:
            `pipe.p.fill_(0.3)`.

    Args:
        extra: Pairs of an operation and its multiplier of p, applied at the end; see `adavit.augment.extras`.
    """

    p: Tensor

    def __init__(self, extra: Sequence[tuple[Operation, float]] = ()) -> None:
        super().__init__()
        self.register_buffer("p", torch.ones((), dtype=torch.float32))
        self.extra = Extras(extra)

    def sample(
        self,
        shape: Sequence[int],
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        *,
        quantile: float | None = None,
    ) -> PipeParameters:
        """Draw the parameters for a batch of images, at the present p.

        Args:
            shape: Of the images, (B, C, H, W).
            generator: Source of all random numbers; None means the default one. It may live on another device.
            device: Where the parameters are wanted; None means the device of `p`.
            quantile: In (0, 1): the deterministic mode, see `adavit.augment.draws.QuantileDraws`.

        Returns:
            Group name to parameter name to tensor, each with the batch first. A closed gate appears as the
            neutral parameter.

        Raises:
            ValueError: If `quantile` is out of range.
        """
        raise NotImplementedError

    def prepare(
        self, parameters: PipeParameters, shape: Sequence[int], dtype: torch.dtype = torch.float32
    ) -> PipeParameters:
        """What can be computed of drawn parameters before there are images, such as matrices and positions.

        Args:
            parameters: What `sample` returned for this shape.
            shape: Of the images, (B, C, H, W).
            dtype: Of the images, float32 or float64.

        Returns:
            What `transform_prepared` takes; tensors with the batch first.
        """
        return parameters

    def transform_prepared(self, images: Tensor, prepared: PipeParameters) -> Tensor:
        """`transform`, by what `prepare` returned, for images of its shape.

        Args:
            images: [B, C, H, W], float32 or float64, with B >= 1. Not modified.
            prepared: May be used for several batches.

        Returns:
            [B, C, H, W].
        """
        raise NotImplementedError

    def transform(self, images: Tensor, parameters: PipeParameters) -> Tensor:
        """Apply drawn parameters; deterministic, and independent of p.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]. Not modified.
            parameters: What `sample` returned for this shape; may be used for several batches.

        Returns:
            [B, C, H, W] in the dtype of `images`; the images themselves if there is none, or nothing to do.

        Raises:
            ValueError: If `images` is not a floating-point batch, or has another number of images than the
                parameters.
        """
        check_images(images)
        check_batch(images, parameters)
        if not parameters or not len(images):
            return images
        exact = working_precision(images)
        with outside_autocast(images.device):
            prepared = self.prepare(parameters, images.shape, exact.dtype)
            return self.transform_prepared(exact, prepared).to(images.dtype)

    def forward(
        self,
        images: Tensor,
        *,
        quantile: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample parameters, apply them, then the extra operations.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]; C is 1 (grey), 3 (RGB) or 4 (RGBA). Not
                modified. B may be 0.
            quantile: In (0, 1): the deterministic mode, in which every gate is open, every parameter is at
                this quantile by the published convention, and extra operations are left out.
            generator: Source of all random numbers; None means the default one.

        Returns:
            [B, C, H, W] in the dtype of `images`.

        Raises:
            ValueError: If `images` is not a floating-point batch or `quantile` is out of range.
        """
        check_images(images)
        parameters = self.sample(images.shape, generator, images.device, quantile=quantile)
        result = self.transform(images, parameters)
        if self.extra.enabled and quantile is None and len(images):
            result = self.extra(result, self.p, generator)
        return result

    def _draws(
        self, batch: int, device: torch.device, quantile: float | None, generator: Any
    ) -> Draws:
        if quantile is not None:
            return QuantileDraws(batch, quantile, device=device, generator=generator)
        return RandomDraws(batch, self.p, device=device, generator=generator)


def part_of(parameters: PipeParameters, images: slice) -> PipeParameters:
    """The parameters of some of the images, drawn or prepared."""
    return {
        group: {name: values[images] for name, values in those.items()}
        for group, those in parameters.items()
    }


def check_batch(images: Tensor, parameters: PipeParameters) -> None:
    """Raise unless the parameters are for as many images as there are."""
    for group in parameters.values():
        for name, values in group.items():
            if values.shape[0] != images.shape[0]:
                raise ValueError(
                    f"The parameter {name} is for {values.shape[0]} images, but there are {images.shape[0]}. "
                    "Draw the parameters with sample(images.shape)."
                )
