"""The spectral norm of a weight, computed anew from the weight alone.

No vectors of a power iteration are carried from pass to pass, so the passes of a step (real, generated, and those that
a penalty compares) see the same weights, and a resumed run needs no more than these.
"""

import torch
from torch import Tensor

from adavit.runtime.precision import full_precision, without_autocast

# W^T W is squared so often: 1,024 steps of a power iteration, for the price of 10 products.
SQUARINGS = 10


def spectral_norm(weight: Tensor) -> Tensor:
    """Largest singular value of a weight, differentiable.

    With P = (W^T W)^1024, scaled to trace 1, the norm is sqrt(tr(W P W^T)): a mean of the squared
    singular values s_i^2 with weights in proportion to s_i^2048. Whatever their gaps, it is at most 0.3% too
    small for 384 of them (log 384 / 1024 of its square). With P taken as constant its derivative is
    that of the largest singular value.

    Args:
        weight: Weight [O, ...], not zero.

    Returns:
        The norm of the matrix [O, rest], 0-d, at least float32.
    """
    if weight.is_meta:  # no numbers, and no autocast there
        return weight.new_empty(())
    with without_autocast(weight.device):
        matrix = full_precision(weight).flatten(1)
        if matrix.shape[0] < matrix.shape[1]:
            matrix = matrix.T  # [long, short]
        if matrix.shape[1] == 1:
            # The same number; torch.compile would write the squarings out, one inside the other.
            return matrix.norm()
        with torch.no_grad():
            power = matrix.T @ matrix
            for _ in range(SQUARINGS):
                power = power / power.norm()
                power = power @ power
            power = power / power.trace()
        return ((matrix @ power) * matrix).sum().sqrt()
