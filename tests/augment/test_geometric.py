import math

import numpy as np
import pytest
import torch
from torch import Tensor

from adavit.augment import AugmentPipe, Geometric
from adavit.augment.matrices import doubled, product
from adavit.augment.wavelets import SYM6
from tests.augment.helpers import pipe_of, random_images, smooth_images
from tests.references import augment_reference as reference


def full(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}


def test_factors_multiply_on_the_right_in_the_order_of_the_definitions() -> None:
    values = full(
        scale_log2=0.3,
        turns_before=0.1,
        aniso_log2=-0.4,
        turns_after=-0.2,
        shift_x_px=2.5,
        shift_y_px=-1.5,
    )
    expected = (
        np.diag([2**-0.3, 2**-0.3, 1])
        @ reference.rotation(0.2 * math.pi)
        @ np.diag([2**0.4, 2**-0.4, 1])
        @ reference.rotation(-0.4 * math.pi)
        @ reference.translation(-2.5, 1.5)
    )
    found = product(*Geometric(scale=1).inverse_factors(*doubled(values)))[0].numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("operation", "quantile"),
    [("scale", 0.8), ("rotate", 0.35), ("aniso", 0.3), ("xfrac", 0.6), ("geom", 0.7), ("bg", 0.4)],
)
def test_operations_equal_the_slow_reference_but_for_reflected_areas(
    operation: str, quantile: float
) -> None:
    images = smooth_images(1, 2, 18, 21)
    normal = math.sqrt(0.5) * torch.distributions.Normal(0, 1).icdf(torch.tensor(quantile)).item()
    uniform = 2 * quantile - 1
    inverse = np.eye(3)
    if operation == "bg":
        turns = math.floor(4 * quantile)
        shift = [round(uniform * 0.125 * size) for size in (21, 18)]
        inverse = np.diag([1 - 2 * math.floor(2 * quantile), 1, 1.0])
        inverse = inverse @ reference.rotation(turns * math.pi / 2)
        inverse = inverse @ reference.translation(-shift[0], -shift[1])
    if operation in ("scale", "geom", "bg"):
        inverse = inverse @ np.diag([2 ** (-0.2 * normal), 2 ** (-0.2 * normal), 1])
    if operation in ("rotate", "geom", "bg"):
        inverse = inverse @ reference.rotation(math.pi * uniform)
    if operation in ("aniso", "geom", "bg"):
        inverse = inverse @ np.diag([2 ** (-0.2 * normal), 2 ** (0.2 * normal), 1])
    if operation in ("xfrac", "geom", "bg"):
        inverse = inverse @ reference.translation(-0.125 * normal * 21, -0.125 * normal * 18)
    expected = reference.resample(images[0].numpy(), inverse, np.array(SYM6))
    error = np.abs(pipe_of(operation)(images, quantile=quantile)[0].numpy() - expected)
    assert np.median(error) < 1e-4
    assert np.quantile(error, 0.95) < 0.02


@pytest.mark.parametrize(
    ("operation", "neutral"),
    [
        ("scale", {"scale_std": 0}),
        ("rotate", {"rotate_max": 0}),
        ("aniso", {"aniso_std": 0}),
        ("xfrac", {"xfrac_std": 0}),
        ("xint", {"xint_max": 0}),
    ],
)
@pytest.mark.parametrize("shape", [(3, 3, 17, 11), (3, 1, 64, 80)])
def test_neutral_parameters_return_the_images(
    operation: str, neutral: dict[str, float], shape: tuple[int, ...]
) -> None:
    images = random_images(*shape)
    pipe = AugmentPipe(**{operation: 1.0}, **neutral)
    torch.testing.assert_close(pipe(images), images, rtol=0, atol=1e-10)
    torch.testing.assert_close(pipe(images.float()), images.float(), rtol=0, atol=1e-5)


def test_content_moves_by_the_shift_and_grows_by_the_scale() -> None:
    y, x = torch.meshgrid(torch.arange(41.0), torch.arange(41.0), indexing="ij")
    blob = torch.exp(-((x - 20) ** 2 + (y - 20) ** 2) / 18)[None, None].double()
    group = Geometric(scale=1)
    moved = group.transform(blob, full(shift_x_px=6.5, shift_y_px=-3.25))[0, 0]
    mass = moved.sum()
    assert (moved.sum(0) * torch.arange(41)).sum() / mass == pytest.approx(26.5, abs=0.01)
    assert (moved.sum(1) * torch.arange(41)).sum() / mass == pytest.approx(16.75, abs=0.01)
    grown = group.transform(blob, full(scale_log2=0.5))[0, 0]
    assert grown.sum() / blob.sum() == pytest.approx(2, rel=0.01)
    stretched = group.transform(blob, full(aniso_log2=0.5))[0, 0]
    assert stretched[20].sum() / blob[0, 0, 20].sum() == pytest.approx(2**0.5, rel=0.01)
