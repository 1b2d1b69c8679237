"""What a saved state must have in common with the one whose place it takes: names, kinds, shapes, magnitudes.

Torch's own checks end at names and shapes of weights; a count of 10^30, a text for a rate or a moment of another
shape would end the run some steps later, or never be noticed.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from adavit.errors import shown
from adavit.runs.metadata import MOST_COUNTED


def check_like(saved: Any, present: Any, where: str) -> None:
    """Compares a saved value with the present one.

    Args:
        saved: Nested dictionaries, lists and tuples of tensors and plain values.
        present: Of a part that was just made; an empty dictionary, an empty list of numbers and None say
            nothing of what may come.
        where: Names the value, for messages.

    Raises:
        ValueError: If they differ in more than numbers.
    """
    if present is None or (isinstance(present, dict) and not present and isinstance(saved, dict)):
        return
    if isinstance(present, Tensor):
        _check_tensor(saved, present, where)
    elif isinstance(present, dict):
        if not isinstance(saved, dict):
            raise ValueError(f"{where} is {shown(saved)}, expected named values")
        missing = [name for name in present if name not in saved]
        if missing:
            raise ValueError(f"{where} lacks {missing[0]}")
        for name, value in present.items():
            check_like(saved[name], value, f"{where}.{name}")
    elif isinstance(present, list | tuple):
        if not isinstance(saved, list | tuple) or len(saved) != len(present):
            raise ValueError(f"{where} is {shown(saved)}, expected {len(present)} values")
        for number, (one, other) in enumerate(zip(saved, present, strict=True)):
            check_like(one, other, f"{where}[{number}]")
    else:
        _check_plain(saved, present, where)


def check_moments(saved: Mapping[str, Any], optimiser: torch.optim.Optimizer, where: str) -> None:
    """Checks what an optimiser remembers of each weight, by the weight's shape.

    Args:
        saved: Its state; the groups were compared by `check_like`.
        optimiser: The present one.
        where: Names it, for messages.

    Raises:
        ValueError: If a moment is not that of its weight.
    """
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    state = saved.get("state")
    if not isinstance(state, dict):
        raise ValueError(f"{where}.state is {shown(state)}, expected named values")
    for number, moments in state.items():
        if type(number) is not int or not 0 <= number < len(weights):
            raise ValueError(f"{where}.state has {shown(number)}, which is not a weight")
        if not isinstance(moments, dict) or not {"step", "exp_avg", "exp_avg_sq"} <= moments.keys():
            raise ValueError(
                f"{where}.state[{number}] is {shown(moments)}, expected Adam's moments"
            )
        for name, value in moments.items():
            like = torch.zeros(()) if name == "step" else weights[number]
            _check_tensor(value, like, f"{where}.state[{number}].{name}")


def _check_tensor(saved: Any, present: Tensor, where: str) -> None:
    if not isinstance(saved, Tensor):
        raise ValueError(f"{where} is {shown(saved)}, expected a tensor")
    open_ended = present.shape == (0,) and saved.ndim == 1
    if (
        saved.dtype != present.dtype
        or saved.is_sparse
        or not (open_ended or saved.shape == present.shape)
    ):
        raise ValueError(
            f"{where} is {list(saved.shape)} of {saved.dtype}, expected {list(present.shape)} of"
            f" {present.dtype}"
        )


def _check_plain(saved: Any, present: Any, where: str) -> None:
    kind = type(present)
    fits = type(saved) is kind or (kind is float and type(saved) is int)
    if not fits:
        raise ValueError(f"{where} is {shown(saved)}, expected {kind.__name__}")
    if type(saved) is int and not abs(saved) < MOST_COUNTED:
        raise ValueError(f"{where} is {shown(saved)}, expected a number below {MOST_COUNTED:g}")
