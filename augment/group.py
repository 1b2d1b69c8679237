"""What the groups of operations have in common: sample parameters, then apply them."""

from __future__ import annotations

import contextlib
import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment.draws import Draws, Parameters, QuantileDraws, RandomDraws


def check_images(images: Tensor) -> None:
    """Raise unless `images` is a floating-point batch [B, C, H, W] with at least one pixel."""
    if images.ndim != 4 or not images.is_floating_point() or 0 in images.shape[1:]:
        raise ValueError(
            f"images has shape {tuple(images.shape)} and dtype {images.dtype}, but a floating-point batch "
            "[B, C, H, W] is expected. Scale integers to [-1, 1] and add the batch axis: images[None]."
        )


def check_magnitudes(magnitudes: Mapping[str, float]) -> None:
    """Raise unless every magnitude, by its name, is finite and >= 0."""
    for name, magnitude in magnitudes.items():
        if not 0 <= magnitude < float("inf"):
            raise ValueError(
                f"{name} is {magnitude}, but a magnitude must be finite and >= 0. "
                "Leave it out for the published value."
            )


def check_names(given: Iterable[str], known: Sequence[str], *, of: str) -> None:
    """Raise unless every name of a setting is a known one, and name the nearest.

    Args:
        given: Names.
        known: All that there are.
        of: The pipe that they are given to, for the message.
    """
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1) or known[:1]
            raise ValueError(
                f"{of} has no {name!r}; expected operations and magnitudes: {', '.join(known)}. "
                f"Use {near[0]!r}."
            )


def working_precision(images: Tensor) -> Tensor:
    """Images in float32 when they are in half precision, unchanged otherwise.

    Positions and filters lose too much in bf16, and its rounding of an intermediate result would break p = 0.
    """
    return images.float() if images.dtype in (torch.bfloat16, torch.float16) else images


def outside_autocast(device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Switch autocast off, which would round matrices of filters and colours, where there is such a thing.

    Asking torch whether there is would break graphs in torch 2.11.
    """
    if device.type == "meta":
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


def per_image(values: Tensor) -> Tensor:
    """Values [B] as [B, 1, 1, 1], to broadcast over images."""
    return values[:, None, None, None]


class Group(nn.Module):
    """A group of operations that are applied together.

    The constructor of each group declares its settings, all by keyword: an operation is one whose default is 0, off;
    every other one is a magnitude with its published value. `AugmentPipe` takes them from there.

    Args:
        multipliers: Operation name to probability multiplier m, in [0, 1]. An operation with 0 is switched off
            for good: it is neither drawn nor applied.
        magnitudes: Constant name to magnitude, >= 0.

    Raises:
        ValueError: If a multiplier or a magnitude is out of range.
    """

    multipliers: Tensor

    def __init__(self, multipliers: dict[str, float], magnitudes: dict[str, float]) -> None:
        super().__init__()
        for name, multiplier in multipliers.items():
            if not 0 <= multiplier <= 1:
                raise ValueError(
                    f"{name} is {multiplier}, but a multiplier of p must lie in [0, 1]. "
                    f"Use {name}=1 to switch the operation on, and p for how often it happens."
                )
        check_magnitudes(magnitudes)
        self.names = tuple(name for name, multiplier in multipliers.items() if multiplier > 0)
        values = [multipliers[name] for name in self.names]
        # A buffer, so that no sampling has to copy numbers to the device.
        self.register_buffer("multipliers", torch.tensor(values), persistent=False)

    @classmethod
    def operations(cls) -> tuple[str, ...]:
        """Names of its operations, in the order in which they are applied."""
        return tuple(name for name, default in _defaults(cls).items() if default == 0)

    @classmethod
    def magnitudes(cls) -> dict[str, Any]:
        """Its magnitude constants with their published values."""
        return {name: default for name, default in _defaults(cls).items() if default != 0}

    @property
    def enabled(self) -> bool:
        """Whether any operation of the group is switched on."""
        return bool(self.names)

    def _gates(self, draws: Draws) -> dict[str, Tensor]:
        """One gate bool [B] for each operation that is switched on."""
        return dict(zip(self.names, draws.gates(self.multipliers).unbind(0), strict=True))

    def sample(self, shape: torch.Size, draws: Draws) -> Parameters:
        """Draw the parameters for a batch of images.

        Args:
            shape: Of the images, (B, C, H, W).
            draws: Source of the numbers.

        Returns:
            Tensors with the batch first; a closed gate appears as the neutral parameter.
        """
        raise NotImplementedError

    def transform(self, images: Tensor, parameters: Parameters) -> Tensor:
        """Apply drawn parameters; not to be called under autocast, which would round them.

        Args:
            images: [B, C, H, W], float32 or float64. Not modified.
            parameters: What `sample` returned for this shape.

        Returns:
            [B, C, H, W]; images whose gates are all closed are returned bit for bit.
        """
        raise NotImplementedError

    def forward(
        self,
        images: Tensor,
        p: float | Tensor = 1.0,
        *,
        quantile: float | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Sample and apply, for use of a group by itself.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]. Not modified.
            p: Probability in [0, 1] that multiplies every multiplier.
            quantile: In (0, 1): the deterministic mode, see `adavit.augment.draws.QuantileDraws`.
            generator: Source of all random numbers; None means the default one.

        Returns:
            [B, C, H, W] in the dtype of `images`.

        Raises:
            ValueError: If `images` is not a floating-point batch or `quantile` is out of range.
        """
        check_images(images)
        if not self.enabled:
            return images
        batch, device = images.shape[0], images.device
        draws: Draws
        if quantile is not None:
            draws = QuantileDraws(batch, quantile, device=device, generator=generator)
        else:
            probability = torch.as_tensor(p, dtype=torch.float32, device=device)
            draws = RandomDraws(batch, probability, device=device, generator=generator)
        parameters = self.sample(images.shape, draws)
        if not batch:
            return images
        with outside_autocast(device):
            return self.transform(working_precision(images), parameters).to(images.dtype)


def _defaults(group: type[Group]) -> dict[str, Any]:
    parameters = list(inspect.signature(group).parameters.values())
    return {parameter.name: parameter.default for parameter in parameters}
