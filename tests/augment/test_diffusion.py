"""Diffusion noise against products and counts written out."""

import math

import numpy as np
import pytest
import torch

from adavit.augment import AugmentPipe, Diffusion
from adavit.augment.diffusion import log_kept, step_at, total_steps
from tests.augment.helpers import pipe_of, random_images


def abar(steps: int) -> np.ndarray:
    """abar_0 .. abar_T as a running product."""
    kept = [1.0]
    for number in range(steps):
        beta = 1e-4 + (2e-2 - 1e-4) * number / (steps - 1)
        kept.append(kept[-1] * (1 - beta))
    return np.array(kept)


def chances(steps: int) -> np.ndarray:
    """Probability of t = 0 .. T."""
    weights = np.arange(steps + 1)
    return np.where(weights == 0, 0.5, 0.5 * weights / weights.sum())


def drawn(p: float, shape: tuple[int, ...], seed: int = 0, **settings: float) -> dict:
    pipe = AugmentPipe(**{"diffusion": 1.0, **settings})
    pipe.p.fill_(p)
    return pipe.sample(shape, torch.Generator().manual_seed(seed))["diffusion"]


@pytest.mark.parametrize(
    ("p", "steps"), [(0, 0), (1e-6, 10), (0.1, 109), (0.3, 307), (0.8, 802), (1, 1000)]
)
def test_the_number_of_steps_grows_with_p_and_is_none_at_zero(p: float, steps: int) -> None:
    assert total_steps(torch.tensor(float(p))).item() == steps


@pytest.mark.parametrize("steps", [10, 109, 307, 1000])
def test_what_is_kept_is_the_product_of_what_each_step_keeps(steps: int) -> None:
    number = torch.arange(steps + 1, dtype=torch.float32)
    found = log_kept(number, torch.tensor(float(steps)))
    expected = torch.from_numpy(abar(steps))
    torch.testing.assert_close(found.double().exp(), expected, rtol=2e-6, atol=0)
    # What was lost is small at first, and exact there too.
    torch.testing.assert_close(-torch.expm1(found).double(), 1 - expected, rtol=2e-5, atol=0)
    assert found[0] == 0


@pytest.mark.parametrize("steps", [0, 10, 307, 1000])
def test_half_of_the_quantiles_are_no_step_and_the_rest_in_proportion_to_it(steps: int) -> None:
    count = 2_000_000
    uniform = (torch.arange(count) / count).float()
    found = step_at(uniform, torch.tensor(float(steps))).long()
    assert found.diff().min() >= 0
    rates = found.bincount(minlength=steps + 1).double().numpy() / count
    expected = chances(steps) if steps else np.ones(1)
    assert len(rates) == steps + 1
    np.testing.assert_allclose(rates, expected, rtol=0, atol=1.1 / count + 2**-24)


def test_rounding_does_not_lead_beyond_the_last_step() -> None:
    almost_one = torch.tensor([1 - 2**-24])
    for steps in (10, 555, 1000):
        assert step_at(almost_one, torch.tensor(float(steps))).item() == steps


@pytest.mark.parametrize(("p", "multiplier"), [(0.02, 1.0), (0.6, 1.0), (0.6, 0.5), (1.0, 1.0)])
def test_drawn_steps_follow_the_published_mixture(p: float, multiplier: float) -> None:
    batch, steps = 40000, 10 + round(990 * p * multiplier)
    values = drawn(p, (batch, 1, 1, 1), diffusion=multiplier)
    kept = abar(steps)
    signal = values["signal"].double().numpy()
    step = np.abs(signal[:, None] - np.sqrt(kept)).argmin(1)
    np.testing.assert_allclose(signal, np.sqrt(kept)[step], rtol=2e-6)
    np.testing.assert_allclose(
        values["sigma"].double().numpy(), 0.05 * np.sqrt(1 - kept)[step], rtol=2e-5
    )
    rates = np.bincount(step, minlength=steps + 1).cumsum() / batch
    # Kolmogorov and Smirnov's distance; 2.225 / sqrt(n) is exceeded once in 10,000 times at most.
    assert np.abs(rates - chances(steps).cumsum()).max() < 2.225 / math.sqrt(batch)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_fade_to_noise_in_every_channel_alike(channels: int) -> None:
    images = random_images(3, channels, 5, 7)
    field = random_images(3, channels, 5, 7, seed=1)
    values = {
        "signal": torch.tensor([1.0, 0.8, 0.0], dtype=torch.float64),
        "sigma": torch.tensor([0.0, 0.03, 0.05], dtype=torch.float64),
        "field": field,
    }
    found = Diffusion(diffusion=1).transform(images, values)
    assert torch.equal(found[0], images[0])
    torch.testing.assert_close(found[1], 0.8 * images[1] + 0.03 * field[1], rtol=0, atol=1e-12)
    torch.testing.assert_close(found[2], 0.05 * field[2], rtol=0, atol=1e-12)


@pytest.mark.parametrize("std", [0.05, 0.4])
@pytest.mark.parametrize("p", [0.05, 0.5, 1.0])
def test_mean_and_variance_of_a_pixel_are_those_of_the_mixture(p: float, std: float) -> None:
    count, pixel = 200_000, 0.7
    pipe = AugmentPipe(diffusion=1, diffusion_std=std)
    pipe.p.fill_(p)
    images = torch.full((count, 1, 1, 1), pixel)
    found = pipe(images, generator=torch.Generator().manual_seed(4)).double().flatten()
    steps = 10 + round(990 * p)
    kept, weight = abar(steps), chances(steps)
    mean = float((weight * np.sqrt(kept)).sum()) * pixel
    square = float((weight * (kept * pixel**2 + (1 - kept) * std**2)).sum())
    spread = math.sqrt((square - mean**2) / count)
    assert found.mean().item() == pytest.approx(mean, abs=4.5 * spread)
    # The fourth moment is that of the sample: only the scale of the tolerance.
    spread = math.sqrt(float(found.square().var()) / count)
    assert found.square().mean().item() == pytest.approx(square, abs=4.5 * spread)


def test_the_gradient_is_the_share_of_the_signal() -> None:
    images = random_images(16, 3, 4, 5).requires_grad_()
    pipe = pipe_of("diffusion")
    values = pipe.sample(images.shape, torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(pipe.transform(images, values).sum(), images)
    signal = values["diffusion"]["signal"].double()
    assert 0 < (signal == 1).sum() < 16
    torch.testing.assert_close(
        gradient, signal[:, None, None, None].expand_as(images), rtol=0, atol=0
    )


def test_images_without_a_step_are_returned_bit_for_bit_beside_those_with_one() -> None:
    images = random_images(64, 3, 8, 8, dtype=torch.float32)
    pipe = pipe_of("diffusion")
    pipe.p.fill_(0.4)
    found = pipe(images, generator=torch.Generator().manual_seed(0))
    kept = (found == images).flatten(1).all(1)
    assert 16 < kept.sum() < 48
    assert not (found == images)[~kept].flatten(1).all(1).any()


def test_every_image_draws_a_step_and_a_field_of_its_own() -> None:
    values = drawn(1.0, (20000, 1, 1, 2), seed=3)
    signal = values["signal"].double()
    beside = torch.corrcoef(torch.stack([signal[1:], signal[:-1]]))[0, 1]
    assert beside.abs() < 4.5 / math.sqrt(20000)
    assert len(signal.unique()) > 500  # a table of 64 would show 33
    field = torch.corrcoef(values["field"].double().flatten(1).T)[0, 1]
    assert field.abs() < 4.5 / math.sqrt(20000)


def test_quantiles_lead_from_the_image_to_the_last_step() -> None:
    pipe, images = pipe_of("diffusion"), random_images(1, 3, 9, 7)
    signals = [
        pipe.sample(images.shape, quantile=quantile)["diffusion"]["signal"].item()
        for quantile in (0.05, 0.45, 0.55, 0.8, 0.9999999)
    ]
    kept = np.sqrt(abar(1000))
    # t (t + 1) / (1000 * 1001) passes 0.1 at t = 316 and 0.6 at t = 775.
    assert signals == pytest.approx([1, 1, kept[316], kept[775], kept[1000]], rel=1e-5)
