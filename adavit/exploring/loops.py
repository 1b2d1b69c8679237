"""Closed ways through styles or latents."""

from collections.abc import Callable

import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

Loop = Callable[[Tensor], Tensor]
"""Points [F, ...] at times [F] from 0 to K: knot k is at time k, and K is 0 again."""


def closed_spline(knots: Tensor) -> Loop:
    """The cubic spline through knots that ends where it begins, with the same first and second derivatives.

    Args:
        knots: K points [K, ...], K >= 2.

    Returns:
        Its points are of the knots' type and device.
    """
    rest = torch.cat([knots, knots[:1]]).cpu().double().numpy()
    spline = CubicSpline(range(len(rest)), rest, bc_type="periodic")

    def at(times: Tensor) -> Tensor:
        return torch.from_numpy(spline(times.double().numpy())).to(knots)

    return at


def great_circles(knots: Tensor) -> Loop:
    """From each knot to the next one along a great circle (slerp, Shoemake 1985), whose length may change on the way.

    The direction of motion changes at a knot. Random latents lie near a sphere, and so does all between them, where
    a straight line leads through its inside, which no latent comes from.

    Args:
        knots: K vectors [K, ..., Z], K >= 2.

    Returns:
        Its points are of the knots' type and device.
    """
    ends = knots.cpu().double()  # not every device has numbers of that length

    def at(times: Tensor) -> Tensor:
        begin = times.double().floor().long() % len(ends)
        first, second = ends[begin], ends[(begin + 1) % len(ends)]
        t = (times.double() % 1.0).view(-1, *[1] * (ends.ndim - 1))
        cosine = torch.nn.functional.cosine_similarity(first, second, dim=-1)[..., None]
        angle = cosine.clamp(-1.0, 1.0).arccos()
        sine = angle.sin()
        # Between parallel vectors there is only a line.
        straight = sine < 1e-9
        sine = torch.where(straight, 1.0, sine)
        near = torch.where(straight, 1.0 - t, ((1.0 - t) * angle).sin() / sine)
        far = torch.where(straight, t, (t * angle).sin() / sine)
        return (near * first + far * second).to(knots)

    return at
