"""Linear filters along rows and columns as sums of shifted pixels, which a compiler writes into kernels around them.

By itself each shift would be a pass over the features. Written by Inductor all of them are one, together with what is
done to the features before and after, while the products of `filter_products` are two kernels of a library that read
and write everything: a fifth of the bytes of a compiled step (`benchmarks/results/step_operations.md`).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.runtime.precision import full_precision

_ROWS, _COLUMNS = 1, 2
"""Of features [B, H, W, C]: along them one moves down, and to the right."""


def filter_by_shifts(
    features: Tensor, taps: Sequence[float], *, padding: int, stride: int, gain: float
) -> Tensor:
    """Filters both sides.

    Args:
        features: Features [B, C, H, W].
        taps: Of the filter, the same for both sides.
        padding: Zeros on each end in pixels.
        stride: Pixels from one result to the next.
        gain: What the result is multiplied by.

    Returns:
        Features [B, C, H', W'] in channels_last, in the same dtype, rounded to it once, where
        H' = (H + 2 * padding - len(taps)) // stride + 1.
    """
    result = F.pad(_channels_last(features), [0, 0, *[padding] * 4])
    for side, part in ((_COLUMNS, 1.0), (_ROWS, gain)):
        shifted = result.unfold(side, len(taps), stride).unbind(-1)
        result = _weighted(shifted, [part * tap for tap in taps])
    return result.permute(0, 3, 1, 2).to(features.dtype)


def filter_by_shifts_transposed(
    features: Tensor, taps: Sequence[float], *, padding: int, stride: int, gain: float
) -> Tensor:
    """The transpose of `filter_by_shifts`.

    Args:
        features: Features [B, C, H, W].
        taps: Of the filter, the same for both sides.
        padding: Pixels that the filter reaches beyond each end and that are cut off.
        stride: Pixels from one of the features to the next in the result.
        gain: What the result is multiplied by.

    Returns:
        Features [B, C, H', W'] in channels_last, in the same dtype, rounded to it once, where
        H' = stride * H: all that the filter reaches if it has `stride + 2 * padding` taps.
    """
    result = _channels_last(features)
    for side, part in ((_COLUMNS, 1.0), (_ROWS, gain)):
        result = _spread(result, side, [part * tap for tap in taps], padding, stride)
    return result.permute(0, 3, 1, 2).to(features.dtype)


def _channels_last(features: Tensor) -> Tensor:
    return full_precision(features).permute(0, 2, 3, 1)


def _spread(features: Tensor, side: int, taps: list[float], padding: int, stride: int) -> Tensor:
    """Along one side: result j is the sum of taps[t] * features[i] over all j + padding = stride * i + t."""
    size, reach = features.shape[side], len(taps)
    padded = F.pad(features, [0, 0] * (3 - side) + [reach, reach])
    phases = []
    for phase in range(stride):  # results of one phase have the same taps
        places = range((phase + padding) % stride, len(taps), stride)
        starts = [reach + (phase + padding - place) // stride for place in places]
        shifted = [padded.narrow(side, start, size) for start in starts]
        phases.append(_weighted(shifted, [taps[place] for place in places]))
    return torch.stack(phases, side + 1).flatten(side, side + 1)


def _weighted(terms: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    total = weights[0] * terms[0]
    for term, weight in zip(terms[1:], weights[1:], strict=True):
        total = total + weight * term
    return total
