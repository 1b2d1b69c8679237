"""The average of the generator."""

import copy

import pytest
import torch

from adavit.models import Generator
from adavit.training.objectives.schedules import Cosine
from adavit.training.step.average import GeneratorAverage
from tests.networks import make_generator


def move_by_one(generator: Generator) -> None:
    """Makes all weights larger by 1."""
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(1.0)


def test_the_average_halves_the_distance_in_its_half_life() -> None:
    torch.manual_seed(0)
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    for steps in (1, 5):
        average = GeneratorAverage(generator, half_life_kimg=1, ramp=None)
        old = [parameter.clone() for parameter in generator.parameters()]
        move_by_one(generator)
        for index in range(steps):
            average.update(
                torch.tensor(True), images=1000 * (index + 1) // steps, batch=1000 // steps
            )
        for mean, start in zip(average.module.parameters(), old, strict=True):
            half = torch.full_like(start, 0.5)
            torch.testing.assert_close(mean - start, half, rtol=1e-4, atol=1e-5)


def test_a_half_life_may_follow_a_schedule() -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    for images, batch in ((500, 100), (1000, 200), (3000, 200)):  # one half-life each
        schedule = Cosine(start=0.0, end=0.2, horizon_images=1000)
        average = GeneratorAverage(generator, half_life_kimg=schedule, ramp=None)
        move_by_one(generator)
        average.update(torch.tensor(True), images=images, batch=batch)
        for mean, new in zip(average.module.parameters(), generator.parameters(), strict=True):
            torch.testing.assert_close(new - mean, torch.full_like(new, 0.5), rtol=1e-4, atol=1e-5)


def test_the_ramp_shortens_the_half_life_at_first() -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=100, ramp=0.5)
    move_by_one(generator)
    average.update(torch.tensor(True), images=200, batch=100)  # half-life 100 images
    for mean, new in zip(average.module.parameters(), generator.parameters(), strict=True):
        torch.testing.assert_close(new - mean, torch.full_like(new, 0.5), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("half_life_kimg", [1.0, 0.0])
def test_a_step_that_was_not_made_leaves_the_average(half_life_kimg: float) -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=half_life_kimg, ramp=None)
    before = copy.deepcopy(average.module.state_dict())
    move_by_one(generator)
    generator.track_average(torch.full((3, 4), torch.nan), torch.tensor(False))
    average.update(torch.tensor(False), images=200, batch=100)
    for name, value in average.module.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize(("half_life_kimg", "kept"), [(0.0, 0.0), (0.001, 0.5)])
def test_a_half_life_of_zero_copies_and_one_of_an_image_halves(
    half_life_kimg: float, kept: float
) -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=half_life_kimg, ramp=None)
    move_by_one(generator)
    average.update(torch.tensor(True), images=200, batch=1)
    for mean, new in zip(average.module.parameters(), generator.parameters(), strict=True):
        torch.testing.assert_close(new - mean, torch.full_like(new, kept), rtol=1e-4, atol=1e-5)


def test_buffers_are_copied_whatever_the_half_life_is() -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=1, ramp=None)
    generator.track_average(torch.full((3, 4), 2.0), torch.tensor(True))
    average.update(torch.tensor(True), images=200, batch=1)
    torch.testing.assert_close(average.module.w_average, torch.full((4,), 0.01))
    for name, buffer in generator.named_buffers():
        assert torch.equal(average.module.get_buffer(name), buffer), name
