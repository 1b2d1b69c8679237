from typing import get_args

import pytest
import torch

from adavit.config.run import GeneratorConfig
from adavit.models.pixel_noise import (
    BOUND,
    NOISES,
    BoundedNoise,
    LearnedNoise,
    added_noise,
    drawn_noise,
)
from adavit.runtime.resolution import Resolution
from tests.networks import make_generator

SIZES = {
    **{"resolution": 16, "latent_dim": 6, "style_dim": 6},
    **{"channel_base": 64, "channel_max": 8},
}


def test_learned_noise_is_the_strength_of_its_layer_times_what_is_drawn_for_all() -> None:
    layers = [LearnedNoise(Resolution(4, 4)), LearnedNoise(Resolution(4, 6), gain=2.0)]
    for strength, layer in zip((0.7, -0.2), layers, strict=True):
        torch.nn.init.constant_(layer.strength, strength)
    drawn = torch.randn(3, 16 + 24, generator=torch.Generator().manual_seed(1))
    expected = [0.7 * drawn[:, :16].view(3, 1, 4, 4), -0.4 * drawn[:, 16:].view(3, 1, 4, 6)]
    for source in (torch.Generator().manual_seed(1), drawn):
        found = added_noise(layers, 3, source, torch.float32)
        torch.testing.assert_close(found, expected)
    fixed = added_noise(layers, 3, None, torch.bfloat16)
    assert fixed[1].dtype == torch.bfloat16
    torch.testing.assert_close(fixed[1], -0.4 * layers[1].fixed[None, None].bfloat16())
    assert torch.equal(drawn_noise(layers, 3, torch.Generator().manual_seed(1)), drawn)


@pytest.mark.parametrize("strength", [1e-3, -0.05, 0.1, 30.0])
def test_bounded_noise_stays_within_its_bound(strength: float) -> None:
    noise = BoundedNoise(Resolution(64, 64))
    torch.nn.init.constant_(noise.strength, strength)
    (added,) = added_noise([noise], 8, torch.Generator().manual_seed(1), torch.float32)
    deviation = added.std().item()
    expected = BOUND * torch.tensor(strength / BOUND).tanh().abs().item()
    assert deviation == pytest.approx(expected, rel=0.02)
    assert deviation <= 1.02 * BOUND


@pytest.mark.parametrize("kind", [LearnedNoise, BoundedNoise])
@pytest.mark.parametrize("strength", [1e-3, -0.05, 0.099])
def test_a_parameter_and_its_strength_are_found_of_each_other(
    kind: type[LearnedNoise], strength: float
) -> None:
    noise = kind(Resolution(4, 4))
    parameter = noise.parameter_of(torch.tensor(strength))
    torch.nn.init.constant_(noise.strength, parameter.item())
    assert noise.used_strength().item() == pytest.approx(strength)
    assert noise.strength_of(parameter).item() == pytest.approx(strength)


def test_no_parameter_stands_for_a_strength_beyond_the_bound() -> None:
    strengths = torch.tensor([BOUND, -BOUND, 0.4])
    assert not BoundedNoise.parameter_of(strengths).isfinite().any()


def test_bounded_noise_begins_to_learn_as_the_other_does() -> None:
    gradients = []
    for kind in (LearnedNoise, BoundedNoise):
        torch.manual_seed(0)
        noise = kind(Resolution(4, 4))
        added_noise([noise], 1, None, torch.float32)[0].sum().backward()
        gradients.append(noise.strength.grad)
    assert torch.equal(*gradients)


def test_a_generator_without_noise_holds_none_and_draws_no_numbers() -> None:
    generator = make_generator(**SIZES, noise="none")
    assert not [name for name in generator.state_dict() if "noise" in name]
    stream = torch.Generator().manual_seed(1)
    before = stream.get_state()
    latents = torch.randn(2, 6)
    assert torch.equal(generator(latents, noise=stream), generator(latents))
    assert torch.equal(stream.get_state(), before)


@pytest.mark.parametrize("kind", ["learned", "bounded"])
def test_a_silenced_generator_draws_as_one_whose_strength_is_0(kind: str) -> None:
    torch.manual_seed(0)
    generator, latents = make_generator(**SIZES, noise=kind), torch.randn(2, 6)
    plain = generator(latents)  # strengths begin at 0
    for module in generator.modules():
        if isinstance(module, LearnedNoise):
            torch.nn.init.constant_(module.strength, 0.5)
    assert not torch.equal(generator(latents), plain)
    generator.synthesis.silence()
    assert torch.equal(generator(latents), plain)


def test_every_kind_is_a_value_of_the_setting() -> None:
    assert set(get_args(GeneratorConfig.model_fields["noise"].annotation)) == set(NOISES)
