import pytest
import torch
from torch import Tensor

from adavit.data import images_to_uint8
from adavit.models import Generator
from adavit.projection import search
from adavit.projection.distance import Distance
from adavit.projection.search import FoundStyles, search_in_parts, search_styles
from adavit.projection.styles import StyleCloud
from adavit.runtime.console import SilentConsole


def drawn_by(generator: Generator, count: int) -> Tensor:
    latents = torch.randn(count, 6, generator=torch.Generator().manual_seed(3))
    images: Tensor = generator(latents)
    return images


@pytest.fixture
def targets(generator: Generator) -> Tensor:
    return drawn_by(generator, 3)


def nearest(generator: Generator, targets: Tensor, distance: Distance, count: int) -> Tensor:
    """Distance of each target to the nearest of random images."""
    images = generator(torch.randn(count, 6, generator=torch.Generator().manual_seed(9)))
    return torch.stack(
        [
            distance.between(images, distance.of(one[None].expand(count, -1, -1, -1))).min()
            for one in targets
        ]
    )


@pytest.mark.parametrize("space", ["w", "w+"])
def test_an_image_that_the_generator_drew_is_found_again(
    generator: Generator, cloud: StyleCloud, pixels: Distance, targets: Tensor, space: search.Space
) -> None:
    found = search_styles(generator, targets, pixels, cloud, steps=120, space=space, seed=0)
    assert found.w.shape == (3, generator.synthesis.style_count, 6)
    if space == "w":
        assert (found.w == found.w[:, :1]).all()
    assert (found.end < 0.1 * nearest(generator, targets, pixels, 500)).all()
    assert (found.end < 0.01 * found.start).all()
    again = pixels.between(generator.synthesis(found.w), pixels.of(targets))
    torch.testing.assert_close(again, found.end, rtol=1e-4, atol=1e-7)
    mean = generator.synthesis(cloud.mean.expand(3, -1))
    torch.testing.assert_close(pixels.between(mean, pixels.of(targets)), found.start)


def test_an_image_is_found_alone_as_in_a_batch_and_the_same_again(
    generator: Generator, cloud: StyleCloud, pixels: Distance, targets: Tensor
) -> None:
    def find(images: Tensor, seed: int = 0) -> FoundStyles:
        return search_styles(generator, images, pixels, cloud, steps=12, space="w", seed=seed)

    together = find(targets)
    for index in range(3):
        alone = find(targets[index : index + 1])
        torch.testing.assert_close(alone.w[0], together.w[index], rtol=1e-3, atol=1e-4)
    assert torch.equal(find(targets).w, together.w)
    assert not torch.equal(find(targets, seed=1).w, together.w)


def test_parts_are_as_many_as_the_pixels_need_and_change_nothing(
    generator: Generator,
    cloud: StyleCloud,
    pixels: Distance,
    targets: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bytes_ = images_to_uint8(targets)

    def find() -> list[tuple[slice, FoundStyles]]:
        parts = search_in_parts(
            generator, bytes_, pixels, cloud, steps=5, space="w", seed=0, console=SilentConsole()
        )
        return [(part, found) for part, found, _ in parts]

    ((whole, together),) = find()
    assert whole == slice(0, 3)
    monkeypatch.setattr(search, "PIXELS", 2 * 8 * 8)
    parts = find()
    assert [part for part, _ in parts] == [slice(0, 2), slice(2, 3)]
    ends = torch.cat([found.end for _, found in parts])
    torch.testing.assert_close(ends, together.end, rtol=1e-4, atol=1e-6)


def test_the_way_is_watched_from_its_start_to_its_end(
    generator: Generator, cloud: StyleCloud, pixels: Distance, targets: Tensor
) -> None:
    seen: list[tuple[int, Tensor]] = []
    found = search_styles(
        generator,
        targets,
        pixels,
        cloud,
        steps=60,
        space="w",
        seed=0,
        watch=lambda step, images, distances: seen.append((step, distances)),
    )
    steps = [step for step, _ in seen]
    assert (steps[0], steps[-1], len(steps)) == (0, 60, search.FRAMES)
    assert steps == sorted(set(steps))
    assert torch.equal(seen[0][1], found.start)
    assert torch.equal(seen[-1][1], found.end)
