"""Operations of `kornia.augmentation` by name, for the end of a pipe.

    pipe = AugmentPipe(rotate=1, extra=[kornia_operation("RandomElasticTransform", 0.5)])

Any class of its two-dimensional augmentations that works on one image at a time. kornia's own probability is set to 1:
the pipe's p times a multiplier decides for each image, as for our own operations.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from adavit.augment.extras import apply_extra
from adavit.augment.kornia_names import advice, nearest, unknown

PROBES = 8
"""Passes that look at an operation; one draw alone may happen to change nothing."""


def kornia_operation(operation: str, p: float = 1.0, **keywords: Any) -> tuple[nn.Module, float]:
    """An operation and its multiplier of p, as `AugmentPipe(extra=...)` takes them.

    Args:
        operation: Name of a class of `kornia.augmentation`, for example "RandomElasticTransform".
        p: Multiplier of the pipe's p, in [0, 1].
        **keywords: Of that class, but for its own probability; lists stand for tuples.

    Returns:
        The module, and `p`.

    Raises:
        ValueError: If kornia has no such operation, it does not work on one image at a time, or it does not take
            the keywords.
    """
    kind = _find(operation)
    parameters = inspect.signature(kind).parameters
    open_ended = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    for name in keywords:
        if name not in parameters and not open_ended:
            near = nearest(name, list(parameters))
            advice = f"Did you mean {near}?" if near else "Leave it out."
            raise ValueError(
                f"{operation} has no keyword {name!r}; expected of {', '.join(parameters)}. {advice}"
            )
    given = {
        name: _as_kornia_takes(value, parameters.get(name)) for name, value in keywords.items()
    }
    always = {"p": 1.0} if "p" in parameters else {}
    try:
        return kind(**{**given, **always}), p
    except Exception as error:  # noqa: BLE001  kornia has no one class for what it does not take
        reason = _first_line(error)
        raise ValueError(
            f"{operation} cannot be made of {keywords or 'no keywords'} ({reason}). Give the keywords that kornia's"
            " documentation names."
        ) from None


def _first_line(error: Exception) -> str:
    """What kornia says is wrong; the error's class if it says nothing."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def check_operation(module: nn.Module, shape: Sequence[int], *, twice: bool) -> None:
    """Tries an operation on images of a run, before a step depends on it.

    Args:
        module: From `kornia_operation`.
        shape: Of an image, (C, H, W).
        twice: Whether its gradient has to be differentiated again, as exact R1 does.

    Raises:
        ValueError: If it fails, changes the shape, is not finite, or stops the gradient that the generator learns
            from.
    """
    name = type(module).__name__
    stream = torch.Generator().manual_seed(0)
    size = " x ".join(map(str, shape))
    gradient_seen = False
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        for _ in range(PROBES):
            # A little beyond [-1, 1], as generated and noisy images are.
            images = torch.rand((2, *shape), generator=stream).mul(2.2).sub(1.1).requires_grad_()
            try:
                changed = apply_extra(module, images)
                gradient = _gradient(changed, images, twice=twice)
            except Exception as error:  # noqa: BLE001  as above
                reason = _first_line(error)
                raise ValueError(
                    f"{name} does not work on images of {size} ({reason}). Change its keywords, or leave it out."
                ) from None
            if changed.shape != images.shape or not torch.isfinite(changed).all():
                what = tuple(changed.shape[1:]) if changed.shape != images.shape else "not finite"
                raise ValueError(
                    f"{name} makes of images of {size} what is {what}; expected finite images of the same size."
                    " Change its keywords, or leave it out."
                )
            gradient_seen |= gradient is not None and bool(gradient.abs().sum() > 0)
    if not gradient_seen:
        raise ValueError(
            f"{name} has no gradient by the images, from which the generator would learn nothing. Leave it out."
        )


def _gradient(changed: Tensor, images: Tensor, *, twice: bool) -> Tensor | None:
    (gradient,) = torch.autograd.grad(
        changed.square().sum(), images, create_graph=twice, allow_unused=True
    )
    if twice and gradient is not None and gradient.requires_grad:
        torch.autograd.grad(gradient.square().sum(), images, allow_unused=True)
    return gradient


def _find(operation: str) -> type[nn.Module]:
    # Imported here: kornia takes a second, and most pipes need none of it.
    import kornia.augmentation
    from kornia.augmentation import AugmentationBase2D, MixAugmentationBaseV2

    found = getattr(kornia.augmentation, operation, None)
    usable = {
        name: kind
        for name, kind in vars(kornia.augmentation).items()
        if inspect.isclass(kind)
        and issubclass(kind, AugmentationBase2D)
        and not issubclass(kind, MixAugmentationBaseV2)
        and not name.endswith("Base2D")
    }
    if operation in usable:
        return usable[operation]
    if inspect.isclass(found):
        raise ValueError(
            f"{operation} of kornia.augmentation is not an operation on one image at a time (it mixes images, works on"
            f" volumes, or holds other operations); expected a two-dimensional augmentation."
            f" {advice(operation, list(usable))}"
        )
    raise ValueError(unknown(operation, list(usable)))


def _as_kornia_takes(value: Any, parameter: inspect.Parameter | None) -> Any:
    """A value of a YAML file as kornia declares it: lists are tuples, or tensors where nothing else is taken."""
    if not isinstance(value, list):
        return value
    if parameter is not None and parameter.annotation in (Tensor, "torch.Tensor", "Tensor"):
        return torch.tensor(value)
    return tuple(_as_kornia_takes(item, None) for item in value)
