"""Operations of other libraries at the end of the pipeline: any callable, or a module of `kornia.augmentation`.

They are gated per image like our own. They stand outside `sample` and `transform`: outside replay, compilation and
the quantile mode.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from adavit.augment.devices import is_accelerator
from adavit.augment.draws import RandomDraws
from adavit.augment.group import outside_autocast, per_image, working_precision

Operation = Callable[[Tensor], Tensor]
"""Images [B, C, H, W] to images of the same shape."""


def apply_extra(operation: Operation, images: Tensor) -> Tensor:
    """An operation on images in [-1, 1], in the range and on the channels that it expects."""
    bases = [base for base in type(operation).__mro__ if base.__module__.startswith("kornia.")]
    if not bases:
        return operation(images.clone())  # some write into what they are given
    unit = (images + 1) / 2
    if any(base.__name__ == "IntensityAugmentationBase2D" for base in bases):
        colors = 3 if images.shape[1] == 4 else images.shape[1]
        unit = torch.cat((operation(unit[:, :colors].clamp(0, 1)), unit[:, colors:]), dim=1)
    else:
        unit = operation(unit)
    return unit * 2 - 1


@contextlib.contextmanager
def _seeded(generator: torch.Generator | None, device: torch.device) -> Iterator[None]:
    """Let the default generators follow from `generator`, and restore them; with None do nothing."""
    if generator is None:
        yield
        return
    seed = torch.randint(2**31, (), generator=generator, device=generator.device)
    devices = [device] if is_accelerator(device) else []  # the host's state is kept in any case
    with torch.random.fork_rng(devices, device_type=device.type):
        torch.manual_seed(int(seed))
        yield


class Extras(nn.Module):
    """Operations applied after all others, each with a multiplier of p.

    A `kornia.augmentation` module gets the images in [0, 1] and its result is brought back to [-1, 1]; what changes
    intensities gets colours only, without alpha, cut to that range, in which alone it is defined. Set its own
    probability to 1. Cutting stops gradients outside the range; posterising and equalising stop all of them.

    Args:
        operations: Pairs of an operation and its multiplier in [0, 1].

    Raises:
        ValueError: If an operation cannot be called or a multiplier is out of range.
    """

    multipliers: Tensor

    def __init__(self, operations: Sequence[tuple[Operation, float]]) -> None:
        super().__init__()
        for operation, multiplier in operations:
            if not callable(operation) or not 0 <= multiplier <= 1:
                raise ValueError(
                    f"extra has ({operation!r}, {multiplier!r}), but must be pairs of a callable and a multiplier "
                    "in [0, 1]. Use extra=[(operation, 1.0)]."
                )
        self.operations = tuple(operation for operation, _ in operations)
        # Registered as well, so that their buffers move with the pipe.
        self.modules_among_them = nn.ModuleList(
            operation for operation in self.operations if isinstance(operation, nn.Module)
        )
        multipliers = torch.tensor([multiplier for _, multiplier in operations])
        self.register_buffer("multipliers", multipliers, persistent=False)

    @property
    def enabled(self) -> bool:
        """Whether there is any operation."""
        return bool(self.operations)

    def forward(self, images: Tensor, p: Tensor, generator: torch.Generator | None) -> Tensor:
        """Apply every operation to the images whose gate is open.

        Args:
            images: [B, C, H, W], floating point, nominally in [-1, 1]. Operations see them in float32 (or float64),
                and are not under autocast.
            p: Probability, 0-d.
            generator: Source of the gates and of the seed for the operations' own random numbers; None leaves
                both to the default generators. With one on a CUDA device the host waits for the seed.

        Returns:
            [B, C, H, W] in the dtype of `images`.

        Raises:
            ValueError: If an operation changes the shape.
        """
        draws = RandomDraws(images.shape[0], p, device=images.device, generator=generator)
        gates = draws.gates(self.multipliers)
        result = working_precision(images)
        for operation, gate in zip(self.operations, gates, strict=True):
            with _seeded(generator, images.device), outside_autocast(images.device):
                changed = apply_extra(operation, result)
            if changed.shape != result.shape:
                raise ValueError(
                    f"The extra operation {operation!r} returned shape {tuple(changed.shape)} for "
                    f"{tuple(images.shape)}, but must keep it. Crop or pad back to the size of the images."
                )
            result = torch.where(per_image(gate), changed.to(result.dtype), result)
        return result.to(images.dtype)
