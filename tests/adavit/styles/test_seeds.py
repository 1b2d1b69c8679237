from pathlib import Path

import pytest
import torch

from adavit.runtime.randomness import generator_for
from adavit.styles.classes import ClassChoice
from adavit.styles.seeds import latents_of_seed, pixel_noise_of_seeds, random_styles
from tests.stored_generators import stored_generator


def test_a_seed_is_a_latent_and_a_class(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path, num_classes=3).generator
    latents, index = latents_of_seed(generator, 5, ClassChoice(index=1))
    assert index == 1
    torch.testing.assert_close(latents, torch.randn(1, 8, generator=generator_for(5, "latents", 0)))
    drawn, index = latents_of_seed(generator, 5, ClassChoice(weights=[0, 0, 1]))
    assert index == 2
    assert torch.equal(drawn, latents)
    with pytest.raises(ValueError, match="expected a class or the weights"):
        latents_of_seed(generator, 5, ClassChoice())
    assert latents_of_seed(generator, 2**64 - 1, ClassChoice(index=0))[0].isfinite().all()


def test_noise_of_several_seeds_is_that_of_each(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path).generator
    both = pixel_noise_of_seeds(generator, [4, 7])
    for number, seed in enumerate((4, 7)):
        alone = generator.synthesis.draw_noise(1, generator_for(seed, "noise", 0))
        assert torch.equal(alone[0], both[number])


def test_random_styles_are_of_the_classes_that_are_drawn(tmp_path: Path) -> None:
    generator = stored_generator(tmp_path, num_classes=3).generator
    torch.manual_seed(1)
    before = torch.get_rng_state()
    mixed = random_styles(generator, ClassChoice(weights=[1, 0, 3]), count=400, seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    latents = torch.randn(400, 8, generator=generator_for(2, "styles", 0))
    of_class = [generator.mapping(latents, torch.full((400,), k)) for k in range(3)]
    is_of = torch.stack([(mixed - w).abs().amax(dim=1) < 1e-6 for w in of_class])
    assert torch.equal(is_of.sum(dim=0), torch.ones(400, dtype=torch.int64))
    assert not is_of[1].any()
    assert abs(is_of[2].double().mean().item() - 0.75) < 4 * (0.75 * 0.25 / 400) ** 0.5
    alone = random_styles(generator, ClassChoice(index=1), count=400, seed=2)
    torch.testing.assert_close(alone, of_class[1])
