"""The average of the generator."""

import copy

import pytest
import torch

from adavit.models import Generator
from adavit.training.objectives.schedules import Cosine
from adavit.training.step.average import GeneratorAverage
from tests.networks import make_generator


def moved_by_one(generator: Generator) -> Generator:
    """Another one, whose weights are all larger by 1."""
    moved = copy.deepcopy(generator)
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.add_(1.0)
    return moved


def test_the_average_halves_the_distance_in_its_half_life() -> None:
    torch.manual_seed(0)
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    for steps in (1, 5):
        average = GeneratorAverage(generator, half_life_kimg=1, ramp=None)
        moved = moved_by_one(generator)
        for index in range(steps):
            average.update(
                moved, torch.tensor(True), images=1000 * (index + 1) // steps, batch=1000 // steps
            )
        for mean, old in zip(average.module.parameters(), generator.parameters(), strict=True):
            torch.testing.assert_close(mean - old, torch.full_like(old, 0.5), rtol=1e-4, atol=1e-5)


def test_a_half_life_may_follow_a_schedule() -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    moved = moved_by_one(generator)
    for images, batch in ((500, 100), (1000, 200), (3000, 200)):  # one half-life each
        schedule = Cosine(start=0.0, end=0.2, horizon_images=1000)
        average = GeneratorAverage(generator, half_life_kimg=schedule, ramp=None)
        average.update(moved, torch.tensor(True), images=images, batch=batch)
        for mean, new in zip(average.module.parameters(), moved.parameters(), strict=True):
            torch.testing.assert_close(new - mean, torch.full_like(new, 0.5), rtol=1e-4, atol=1e-5)


def test_the_ramp_shortens_the_half_life_at_first() -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=100, ramp=0.5)
    moved = moved_by_one(generator)
    average.update(moved, torch.tensor(True), images=200, batch=100)  # half-life 100 images
    for mean, new in zip(average.module.parameters(), moved.parameters(), strict=True):
        torch.testing.assert_close(new - mean, torch.full_like(new, 0.5), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("half_life_kimg", [1.0, 0.0])
def test_a_step_that_was_not_made_leaves_the_average(half_life_kimg: float) -> None:
    generator = make_generator(
        resolution=8, latent_dim=4, style_dim=4, channel_base=64, channel_max=8
    )
    average = GeneratorAverage(generator, half_life_kimg=half_life_kimg, ramp=None)
    before = copy.deepcopy(average.module.state_dict())
    moved = moved_by_one(generator)
    moved.track_average(torch.full((3, 4), torch.nan), torch.tensor(False))
    average.update(moved, torch.tensor(False), images=200, batch=100)
    for name, value in average.module.state_dict().items():
        assert torch.equal(value, before[name]), name
