import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch

from adavit.errors import RunError
from adavit.generation.sampling import (
    ImagesNotFinite,
    draw_in_parts,
    drawn_bytes,
    generated_batches,
    images_of_seeds,
    part_size,
    share_of_batches,
)
from adavit.models import Generator
from adavit.models.pixel_noise import LearnedNoise
from adavit.models.synthesis import SynthesisNetwork
from adavit.styles.classes import ClassChoice
from tests.networks import make_generator


def small_generator(num_classes: int = 0) -> Generator:
    torch.manual_seed(0)
    generator = make_generator(
        resolution=8,
        num_classes=num_classes,
        latent_dim=6,
        style_dim=6,
        channel_base=64,
        channel_max=8,
    )
    return generator.eval()


def all_images(generator: Generator, count: int, **arguments: object) -> torch.Tensor:
    return torch.cat(list(generated_batches(generator, count, **arguments)))  # type: ignore[arg-type]


def test_the_same_seed_gives_the_same_images_and_another_gives_others() -> None:
    generator = small_generator()
    first = all_images(generator, 70, seed=1)
    assert first.shape == (70, 3, 8, 8)
    assert first.dtype == torch.uint8
    assert torch.equal(first, all_images(generator, 70, seed=1))
    assert not torch.equal(first, all_images(generator, 70, seed=2))


@pytest.mark.parametrize("num_classes", [0, 3])
@pytest.mark.parametrize("noise", ["learned", "none"])
def test_chosen_batches_hold_the_images_that_all_of_them_do(num_classes: int, noise: str) -> None:
    generator = small_generator(num_classes)
    for layer in generator.modules():
        if isinstance(layer, LearnedNoise):
            layer.strength.data.fill_(0.5)
    if noise == "none":
        generator.synthesis.silence()
    counts = [1, 2, 3] if num_classes else None
    whole = all_images(generator, 200, seed=4, label_counts=counts)
    parts = [
        all_images(generator, 200, seed=4, label_counts=counts, chosen=chosen)
        for chosen in ([1], [3], [0, 2])
    ]
    assert torch.equal(parts[0], whole[64:128])
    assert torch.equal(parts[1], whole[192:])
    assert torch.equal(parts[2], torch.cat([whole[:64], whole[128:192]]))


@pytest.mark.parametrize("count", [1, 64, 200, 5000])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_each_batch_is_drawn_by_one_process(count: int, size: int) -> None:
    shares = [share_of_batches(count, rank=rank, size=size) for rank in range(size)]
    assert [number for share in shares for number in share] == list(range(math.ceil(count / 64)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert len(shares[0]) >= 1


@pytest.mark.parametrize("truncation", [1.0, 0.7])
def test_images_drawn_in_parts_are_those_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch, truncation: float
) -> None:
    """Bit for bit, with the same numbers for each pixel's noise and the stream moved as far."""
    generator, counts = small_generator(num_classes=3), [1, 2, 3]
    for layer in generator.modules():
        if isinstance(layer, LearnedNoise):
            layer.strength.data.fill_(0.5)
    latents, labels = torch.randn(48, 6), torch.arange(48) % 3
    sizes: list[int] = []
    forward = SynthesisNetwork.forward

    def spy(self: SynthesisNetwork, w: torch.Tensor, *rest: object) -> torch.Tensor:
        sizes.append(len(w))
        return forward(self, w, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(SynthesisNetwork, "forward", spy)

    def drawn() -> list[torch.Tensor]:
        sizes.clear()
        stream = torch.Generator().manual_seed(1)
        return [
            draw_in_parts(generator, latents, labels, truncation=truncation, noise=stream),
            stream.get_state(),
            draw_in_parts(generator, latents, labels, truncation=truncation),
            all_images(generator, 80, seed=2, label_counts=counts, truncation=truncation),
        ]

    whole = drawn()
    assert sizes == [48, 48, 64, 16]
    monkeypatch.setattr("adavit.generation.sampling.PIXELS", 16 * 8**2)
    parts = drawn()
    assert sizes == [16] * (3 + 3 + 4 + 1)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))
    monkeypatch.setattr("adavit.generation.sampling.PIXELS", 5 * 8**2)  # few round otherwise
    for a, b in zip(whole[:3], drawn()[:3], strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("resolution", "size"), [(32, 512), (64, 128), (128, 32), (256, 8), (1024, 1)]
)
def test_a_part_has_half_a_million_pixels(resolution: int, size: int) -> None:
    with torch.device("meta"):
        sizes = {"latent_dim": 4, "style_dim": 4, "channel_base": 1024, "channel_max": 4}
        assert part_size(make_generator(resolution=resolution, **sizes)) == size


def test_labels_are_drawn_from_those_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, seen = small_generator(num_classes=3), []
    forward = Generator.forward

    def spy(
        self: Generator, latents: torch.Tensor, labels: torch.Tensor, **rest: object
    ) -> torch.Tensor:
        seen.append(labels)
        return forward(self, latents, labels, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Generator, "forward", spy)
    all_images(generator, 2000, seed=0, label_counts=[30, 0, 10])
    drawn = torch.cat(seen)
    assert set(drawn.tolist()) == {0, 2}
    assert abs((drawn == 0).double().mean().item() - 0.75) < 0.05


def test_global_random_state_is_left_alone() -> None:
    generator = small_generator(num_classes=2)
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002  the state that must not change
    expected = torch.rand(1), np.random.rand()  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    all_images(generator, 70, seed=0, label_counts=[1, 1])
    list(images_of_seeds(generator, [0, 1], choice=ClassChoice(weights=[1, 1])))
    assert torch.equal(torch.rand(1), expected[0])
    assert np.random.rand() == expected[1]  # noqa: NPY002


def test_a_seed_does_not_depend_on_its_company() -> None:
    generator = small_generator()
    together = list(images_of_seeds(generator, [3, 4, 5], choice=ClassChoice()))
    (alone,) = images_of_seeds(generator, [4], choice=ClassChoice())
    assert torch.equal(together[1][0], alone[0])


def test_classes_of_seeds_come_as_often_as_their_weights_say() -> None:
    generator = small_generator(num_classes=3)
    drawn = [
        index
        for _, index in images_of_seeds(
            generator, range(2000), choice=ClassChoice(weights=[3, 0, 1])
        )
    ]
    assert set(drawn) == {0, 2}
    assert abs(drawn.count(0) / 2000 - 0.75) < 4 * (0.75 * 0.25 / 2000) ** 0.5
    with pytest.raises(ValueError, match="expected a class or the weights"):
        next(images_of_seeds(generator, [0], choice=ClassChoice()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_images_that_are_no_numbers_are_refused_and_not_drawn_black(value: float) -> None:
    images = torch.zeros(3, 2, 5, 4)
    assert torch.equal(drawn_bytes(images), torch.full((3, 2, 5, 4), 128, dtype=torch.uint8))
    images[1, 0, 2, 3] = images[2, 1, 4, 0] = value
    with pytest.raises(RunError, match="2 of 3 images that the generator draws are not finite"):
        drawn_bytes(images)


@pytest.mark.parametrize("way", ["evaluation", "seeds"])
def test_a_generator_that_diverged_draws_nothing(way: str) -> None:
    generator = small_generator()
    with torch.no_grad():
        next(p for n, p in generator.named_parameters() if n.endswith("to_image.bias")).fill_(
            math.nan
        )
    drawn = (
        generated_batches(generator, 3, seed=0)
        if way == "evaluation"
        else images_of_seeds(generator, [0], choice=ClassChoice())
    )
    with pytest.raises(ImagesNotFinite):
        next(drawn)


def noisy_generator() -> Generator:
    generator = small_generator()
    for module in generator.modules():
        if isinstance(module, LearnedNoise):
            torch.nn.init.constant_(module.strength, 0.5)
    return generator


def mean_image(images: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(images)).double().mean(dim=0)


def test_images_of_seeds_are_those_of_an_evaluation_in_distribution() -> None:
    # The standard error of a mean of 500 images is about 3 in 255; a fixed pattern adds up instead.
    evaluated = mean_image(all_images(noisy_generator(), 500, seed=0))
    of_seeds = {
        noise: mean_image(
            image
            for image, _ in images_of_seeds(
                noisy_generator(), range(500), choice=ClassChoice(), noise=noise
            )
        )
        for noise in ("seed", "fixed")
    }
    off = {
        noise: (mean - evaluated).square().mean().sqrt().item() for noise, mean in of_seeds.items()
    }
    assert off["seed"] < 5
    assert off["fixed"] > 20


def test_the_noise_of_an_image_is_kept_with_its_seed() -> None:
    together = [
        image for image, _ in images_of_seeds(noisy_generator(), [3, 4], choice=ClassChoice())
    ]
    (alone,) = (image for image, _ in images_of_seeds(noisy_generator(), [4], choice=ClassChoice()))
    assert torch.equal(together[1], alone)


def test_without_noise_an_image_is_what_its_latent_gives() -> None:
    (silent,) = (
        image
        for image, _ in images_of_seeds(noisy_generator(), [4], choice=ClassChoice(), noise="none")
    )
    (plain,) = (
        image for image, _ in images_of_seeds(small_generator(), [4], choice=ClassChoice())
    )  # of strength 0
    assert torch.equal(silent, plain)
