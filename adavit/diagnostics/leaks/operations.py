"""One augmentation operation at a time, applied so that it shows: what the leak probes learn to see."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.augment import AugmentPipe, DiffAugment, Pipe
from adavit.augment.diffaug import POLICIES
from adavit.augment.presets import DIFFAUG, preset_multipliers
from adavit.augment.settings import MAGNITUDES, OPERATIONS
from adavit.build.augmentation import extra_operation, single_operation
from adavit.config.augment import AugmentConfig, ExtraOperation
from adavit.config.run import ResolvedConfig
from adavit.data import images_to_float, images_to_uint8
from adavit.diagnostics.leaks.operation_names import check_operations, check_preset
from adavit.errors import UserError, first_line
from adavit.metrics import as_rgb
from adavit.training.objectives.consistency import consistency_shift

PIXELS_PER_CALL = 1 << 21
"""Of the images that go through a pipe or a probe at once, whose intermediate results take a dozen times as much."""

BCR_SHIFT = "bcr xint"
"""T of bCR, whose shift is not that of the pipe's xint."""

REDRAWS = 16
"""Draws per image until an operation shows; a mirror shows in half of them, a quarter turn in 3 of 4."""


@dataclass(frozen=True)
class Operation:
    """One operation with the strength that training draws for it.

    Attributes:
        name: As in the configuration, e.g. "rotate"; "diffaug color" and so on for DiffAugment, "bcr xint" for bCR.
        pipe: Applies this operation alone, to every image.
    """

    name: str
    pipe: Pipe

    def apply(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Applies the operation, drawn anew for images that it left as they were.

        Some draws are neutral: a mirror that does not mirror, a turn by no quarter, a shift by 0 px.
        An image counts as operated when at least one byte of what is seen (RGBA on black) changed.

        Args:
            images: uint8 [B, C, H, W]. Not modified.
            generator: Source of all random numbers.

        Returns:
            Operated images, uint8 [B, C, H, W], and whether each was changed, bool [B]; an image
            that no draw of `REDRAWS` changed (a blank one) is returned as it is.
        """
        rows = max(1, PIXELS_PER_CALL // (images.shape[-2] * images.shape[-1]))
        parts = [self._applied(part, generator) for part in images.split(rows)]
        operated, shown = zip(*parts, strict=True)
        return torch.cat(operated), torch.cat(shown)

    def _applied(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        result, seen = images.clone(), as_rgb(images)
        waiting = torch.arange(len(images), device=images.device)
        for _ in range(REDRAWS):
            chosen = images_to_float(images[waiting])
            operated = images_to_uint8(self.pipe(chosen, generator=generator))
            result[waiting] = operated
            changed = (as_rgb(operated) != seen[waiting]).flatten(1).any(1)
            waiting = waiting[~changed]
            if not len(waiting):
                break
        shown = torch.ones(len(images), dtype=torch.bool, device=images.device)
        shown[waiting] = False
        result[waiting] = images[waiting]
        return result, shown


def check_on(operations: Sequence[Operation], images: Tensor) -> None:
    """Tries operations, before a probe is trained for any of them.

    Args:
        operations: Those of kornia may be made for other images.
        images: uint8 [B, C, H, W].

    Raises:
        UserError: If one fails.
    """
    for operation in operations:
        try:
            operation.apply(images, torch.Generator().manual_seed(0))
        except Exception as error:  # noqa: BLE001  kornia raises whatever torch does
            size = " x ".join(map(str, images.shape[1:]))
            raise UserError(
                f"{operation.name} does not work on images of {size} ({first_line(error)}), expected operations"
                " that do. Name others by --operations."
            ) from None


def critic_p(config: ResolvedConfig) -> float:
    """The probability at which a feature critic augments what it sees; 0 where it sees what the discriminator does."""
    features = config.features
    return 0.0 if features.network is None else features.p or 0.0


def operations_of_config(config: ResolvedConfig, *, p: float = 1.0) -> list[Operation]:
    """The operations that a run uses, with the run's magnitudes: of the pipe and of bCR.

    Args:
        config: Of the run.
        p: The largest of the run, for operations that it makes stronger.

    Returns:
        One each; an empty list for a run that augments nothing.
    """
    augment = config.augment
    off = augment.mode == "none" or (augment.mode == "fixed" and augment.p == 0)
    found = [] if off and not critic_p(config) else _of_pipe(augment, p)
    if config.training.bcr_real or config.training.bcr_generated:
        shift = consistency_shift(min(config.data.resolution), torch.device("cpu"))
        found.append(Operation(BCR_SHIFT, shift))
    return found


def _of_pipe(augment: AugmentConfig, p: float) -> list[Operation]:
    extra = [_of_kornia(each) for each in augment.extra if each.p]
    if augment.preset == DIFFAUG:
        return operations_of_preset(DIFFAUG) + extra
    names = [name for name in OPERATIONS if getattr(augment, name) > 0]
    return [_ours(name, augment, p) for name in names] + extra


def operations_of_preset(preset: str, *, p: float = 1.0) -> list[Operation]:
    """The operations of a preset, with the published magnitudes.

    Args:
        preset: Its name.
        p: The largest of the run, for operations that it makes stronger.

    Raises:
        UserError: If there is no such preset.
    """
    if preset == DIFFAUG:
        return [
            Operation(f"{DIFFAUG} {policy}", DiffAugment(policies=(policy,))) for policy in POLICIES
        ]
    check_preset(preset)
    return operations_by_name(list(preset_multipliers(preset)), p=p)


def operations_by_name(
    names: Sequence[str], augment: AugmentConfig | None = None, *, p: float = 1.0
) -> list[Operation]:
    """Operations by their names.

    Args:
        names: As for `check_operations`.
        augment: The section `augment` of a run that gives the magnitudes, and the keywords of kornia's; None takes
            the published ones.
        p: The largest of the run, for operations that it makes stronger.

    Raises:
        UserError: As `check_operations`.
    """
    check_operations(names)
    extra = {} if augment is None else {each.operation: each for each in augment.extra}
    return [
        _ours(name, augment, p)
        if name in OPERATIONS
        else _of_kornia(extra.get(name) or ExtraOperation(operation=name))
        for name in dict.fromkeys(names)
    ]


def _of_kornia(extra: ExtraOperation) -> Operation:
    module, _ = extra_operation(extra)
    return Operation(extra.operation, AugmentPipe(extra=[(module, 1.0)]))


def _ours(name: str, augment: AugmentConfig | None, p: float) -> Operation:
    magnitudes, multiplier = {}, 1.0
    if augment is not None:
        magnitudes = {each: getattr(augment, each) for each in MAGNITUDES}
        multiplier = getattr(augment, name) or 1.0  # asked for though the run did without
    return Operation(name, single_operation(name, magnitudes, strength=multiplier * p))
