"""The two wavelets of the pipeline and the filter bank built from one of them.

`sym6` is the low-pass of the geometric resampling, `sym2` the source of the four frequency bands of
`imgfilter` (Karras et al. 2020, arXiv:2006.06676, appendix B). Both are Daubechies' least asymmetric
orthogonal filters (I. Daubechies, Ten Lectures on Wavelets, 1992, section 8.1.1). The tests derive the
taps again from their defining polynomial and check the identities.
"""

from __future__ import annotations

import math

SYM2: tuple[float, ...] = tuple(
    value / (4 * math.sqrt(2))
    for value in (1 - math.sqrt(3), 3 - math.sqrt(3), 3 + math.sqrt(3), 1 + math.sqrt(3))
)
"""Low-pass taps of sym2; the sum is sqrt(2), the sum of squares 1."""

SYM6: tuple[float, ...] = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
"""Low-pass taps of sym6; the sum is sqrt(2), the sum of squares 1."""

SYM6_PEAK = 5
"""Index of the largest tap of sym6: the tap that lies on the pixel itself."""

BANDS = 4
"""Number of frequency bands of `imgfilter`, from low to high."""


def _convolve(signal: list[float], taps: list[float]) -> list[float]:
    """Full convolution of two short sequences."""
    result = [0.0] * (len(signal) + len(taps) - 1)
    for i, value in enumerate(signal):
        for j, tap in enumerate(taps):
            result[i + j] += value * tap
    return result


def filter_bank() -> list[list[float]]:
    """The four band filters of `imgfilter` (appendix B of Karras et al. 2020).

    From lo2 = H(z) H(1/z) / 2 and hi2 = H(-z) H(-1/z) / 2 of sym2: start with the unit impulse, and three times
    put zeros between the samples of every band, convolve with lo2, and add hi2, centred, as the next band.

    Returns:
        Four filters of 43 taps, low band first, each symmetric about its middle tap. Their sum is the unit
        impulse.
    """
    low = list(SYM2)
    high = [tap * (-1) ** index for index, tap in enumerate(low)]
    low_squared = [value / 2 for value in _convolve(low, low[::-1])]
    high_squared = [value / 2 for value in _convolve(high, high[::-1])]

    bands = [[1.0]]
    for _ in range(BANDS - 1):
        spread = [[v for tap in band for v in (tap, 0.0)][:-1] for band in bands]
        bands = [_convolve(band, low_squared) for band in spread]
        margin = (len(bands[0]) - len(high_squared)) // 2
        bands.append([0.0] * margin + high_squared + [0.0] * margin)
    return bands
