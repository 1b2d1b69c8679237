import math

import pytest
import torch

from adavit.exploring.loops import closed_spline, great_circles


def knots(count: int) -> torch.Tensor:
    return torch.randn(
        count, 3, 2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("count", [2, 3, 7])
def test_the_spline_passes_its_knots_and_closes_smoothly(count: int) -> None:
    points, step = knots(count), 1e-3
    loop = closed_spline(points)
    torch.testing.assert_close(loop(torch.arange(count)), points)
    ends = torch.tensor([0.0, count], dtype=torch.float64)
    torch.testing.assert_close(loop(ends)[0], loop(ends)[1])
    # Differences at the seam, from after it and from before, exact for the cubic that the curve is on each side.
    after = loop(step * torch.arange(4.0, dtype=torch.float64))
    before = loop(count - step * torch.arange(4.0, dtype=torch.float64))
    first = torch.tensor([-11 / 6, 3.0, -1.5, 1 / 3], dtype=torch.float64)
    second = torch.tensor([2.0, -5.0, 4.0, -1.0], dtype=torch.float64)
    for weights, order in ((first, 1), (second, 2)):
        right = torch.einsum("t,t...->...", weights, after) / step**order
        left = torch.einsum("t,t...->...", weights, before) / (-step) ** order
        torch.testing.assert_close(right, left, rtol=1e-4, atol=1e-4)


def test_the_spline_of_a_circle_is_nearly_one() -> None:
    angles = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    loop = closed_spline(torch.stack([angles.cos(), angles.sin()], dim=1))
    radii = loop(torch.linspace(0, 12, 97, dtype=torch.float64)).norm(dim=1)
    torch.testing.assert_close(radii, torch.ones(97, dtype=torch.float64), rtol=0, atol=1e-3)


def test_great_circles_keep_the_length_and_turn_evenly() -> None:
    points = torch.nn.functional.normalize(knots(3), dim=-1)
    loop = great_circles(points)
    torch.testing.assert_close(loop(torch.arange(3.0)), points)
    torch.testing.assert_close(loop(torch.tensor([3.0]))[0], points[0])
    way = loop(torch.linspace(2.0, 3.0, 9, dtype=torch.float64))
    torch.testing.assert_close(way.norm(dim=-1), torch.ones(9, 3, 2, dtype=torch.float64))
    turns = (way[1:] * way[:-1]).sum(dim=-1).arccos()
    torch.testing.assert_close(turns, turns[:1].expand_as(turns), rtol=0, atol=1e-7)
    torch.testing.assert_close(
        turns.sum(dim=0), (points[2] * points[0]).sum(dim=-1).arccos(), rtol=0, atol=1e-7
    )


def test_between_equal_latents_nothing_moves() -> None:
    point = knots(1)[0, 0, 0].float()
    loop = great_circles(torch.stack([point, point]))
    torch.testing.assert_close(loop(torch.tensor([0.3, 1.6])), torch.stack([point, point]))
