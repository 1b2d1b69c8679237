import numpy as np
import pytest

from adavit.data.small_set.canvas import (
    Canvas,
    RandomNumbers,
    box,
    circle,
    convex,
    ellipse,
    hsv,
    segment,
)

TICKS = np.linspace(-1, 1, 41)
U, V = TICKS[None, None, :], TICKS[None, :, None]


def test_draws_are_the_upper_bits_of_pcg64() -> None:
    raw = np.random.PCG64(np.random.SeedSequence((1, 2))).random_raw(3)
    expected = [2.0 + 3.0 * (int(value) >> 11) * 2.0**-53 for value in raw]
    np.testing.assert_allclose(
        RandomNumbers((1, 2), 3).uniform(2.0, 5.0).ravel(), expected, rtol=1e-15
    )


def test_raw_stream_is_pinned_because_the_set_must_never_change() -> None:
    raw = np.random.PCG64(np.random.SeedSequence((1, 0, 0))).random_raw(2)
    assert [int(value) for value in raw] == [9441442522235856127, 17532960557476522086]


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 1, 1), (1, 0, 0)),
        ((1 / 3, 1, 1), (0, 1, 0)),
        ((2 / 3, 1, 0.5), (0, 0, 0.5)),
        ((0.4, 0, 0.7), (0.7, 0.7, 0.7)),
        ((1 / 6, 0.5, 1), (1, 1, 0.5)),
    ],
)
def test_hue_saturation_and_value_become_rgb(
    colour: tuple[float, float, float], expected: tuple[float, float, float]
) -> None:
    parts = [np.full((1, 1, 1), part, dtype=np.float64) for part in colour]
    np.testing.assert_allclose(hsv(*parts).ravel(), expected, atol=1e-12)


def test_distances_of_shapes_are_exact_where_they_are_known() -> None:
    np.testing.assert_allclose(circle(U, V, 0.1, 0.2, 0.3), np.hypot(U - 0.1, V - 0.2) - 0.3)
    at = np.array([[[0.5]]]), np.array([[[0.9]]])
    np.testing.assert_allclose(box(*at, 0.0, 0.0, 0.2, 0.5), 0.5)  # 0.3 across, 0.4 down
    np.testing.assert_allclose(segment(*at, -0.5, 0.5, 0.2, 0.5, 0.1), 0.4)
    np.testing.assert_allclose(ellipse(*at, 0.5, 0.4, 0.3, 0.5), 0.0, atol=1e-9)
    square = [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]
    np.testing.assert_allclose(
        convex(U, V, square), np.maximum(np.abs(U) - 0.5, np.abs(V) - 0.5), atol=1e-12
    )


def test_a_painted_disc_covers_its_area() -> None:
    canvas = Canvas(RandomNumbers((0,), 2), 32)
    canvas.paint(circle(canvas.u, canvas.v, 0.0, 0.0, 0.5), np.ones((1, 3, 1, 1)))
    coverage = canvas.finish().mean(axis=(1, 2, 3)) / 255.0
    # Area of the disc over that of the frame; antialiasing is exact to first order.
    np.testing.assert_allclose(coverage, np.pi * 0.25 / 4.0, atol=1e-3)


def test_a_placed_object_is_shifted_turned_and_scaled() -> None:
    canvas = Canvas(RandomNumbers((0,), 1), 32)
    canvas.place(0.5, -0.25, 0.25, 0.5)
    samples = canvas.x.size
    # A quarter turn: the object's u axis points down in the frame.
    column, row = int((0.5 + 1) / 2 * samples), int((-0.25 + 0.25 + 1) / 2 * samples)
    np.testing.assert_allclose(canvas.u[0, row, column], 0.5, atol=0.1)
    np.testing.assert_allclose(canvas.v[0, row, column], 0.0, atol=0.1)
