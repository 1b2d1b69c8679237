"""Values that files of anybody's making hold: every type of JSON, YAML and checkpoints, small and huge."""

import copy
import math
import random
from collections.abc import Callable
from typing import Any

import torch

from adavit.errors import UserError

ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 7, 16, 1.5, -0.0),
    *(1e-320, 1e33, 1e308, -1e308, math.inf, -math.inf, math.nan),
    *(10**6, 10**9, 2**31, 2**53, 2**63 - 1, 2**63, 10**22, 10**30, 10**400, -(10**400)),
    *("", "auto", "x" * 3000, "\0", "1e5", "\x1b[31m", "../..", "/dev/zero"),
    *([], [1], [[1]], [None], {}, {"a": 1}, {"kind": "vit"}),
]

ODD_TENSORS: list[Any] = [
    torch.zeros(0),
    torch.zeros(()),
    torch.full((3, 5), math.nan),
    torch.full((2,), 1e30, dtype=torch.float64),
    torch.zeros(2, dtype=torch.complex64),
    torch.tensor([2**62]),
]


def changed(value: Any, chance: random.Random, odd: list[Any]) -> Any:
    """A copy of nested values with one part, at any depth, replaced, left out or added to."""
    value = copy.deepcopy(value)
    holder: Any = None
    key: Any = None
    at = value
    while isinstance(at, dict | list) and at and (holder is None or chance.random() < 0.8):
        holder, key = at, chance.choice(list(at) if isinstance(at, dict) else range(len(at)))
        at = holder[key]
    if holder is None:
        return chance.choice(odd)
    action = chance.random()
    if action < 0.1:
        del holder[key]
    elif action < 0.15 and isinstance(holder, dict):
        holder["added"] = chance.choice(odd)
    else:
        holder[key] = chance.choice(odd)
    return value


def outcome(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call returns, and what it refuses with a `UserError`, which must not be long; one of them is empty."""
    try:
        return call(), ""
    except UserError as error:
        text = str(error)
    assert 0 < len(text) < 4000, text[:4000]
    return None, text
