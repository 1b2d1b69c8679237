import numpy as np
import pytest
import torch

from adavit.errors import RunError, UserError
from adavit.metrics.extractors.random_features import RandomFeatures
from adavit.metrics.path_length import EPSILON, on_black, path_length, smooth, trimmed


class Pixels(RandomFeatures):
    """The pixels themselves as features, in float64, so that a closed form can be met."""

    def __init__(self) -> None:
        super().__init__()
        self.batch = 7

    def of_unrounded(self, images: torch.Tensor) -> torch.Tensor:
        return images.double().flatten(1)


def pairs(count: int, channels: int = 3) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(count, channels, 4, 4, generator=generator, dtype=torch.float64)
    way = torch.randn(count, channels, 4, 4, generator=generator, dtype=torch.float64)
    parts = zip(start.split(10), (start + EPSILON * way).split(10), strict=True)
    return list(parts)


def test_the_length_of_straight_paths_is_their_squared_speed() -> None:
    drawn = pairs(95)
    speeds = torch.cat([(b - a) / EPSILON for a, b in drawn]).flatten(1).square().sum(dim=1)
    figures = path_length(drawn, Pixels())
    # The outer hundredth of 95 lengths is none of them: the percentiles are the extremes.
    assert figures[""] == pytest.approx(float(speeds.mean()), rel=1e-6)
    assert figures["_std"] == pytest.approx(float(speeds.std(correction=0)), rel=1e-6)


def test_the_outer_hundredths_are_left_out() -> None:
    lengths = np.arange(1000, dtype=np.float64)
    shuffled = np.random.default_rng(0).permutation(lengths)
    shuffled[shuffled == 999] = 1e9
    low, high = (
        np.percentile(shuffled, 1, method="lower"),
        np.percentile(shuffled, 99, method="higher"),
    )
    assert (low, high) == (9, 990)
    assert trimmed(shuffled) == {
        "": pytest.approx(np.arange(9, 991).mean()),
        "_std": pytest.approx(np.arange(9, 991).std()),
    }


def test_progress_counts_pairs() -> None:
    counts: list[int] = []
    path_length(pairs(25), Pixels(), progress=counts.append)
    assert counts == [7, 10, 17, 20, 25]


def test_transparent_images_are_seen_on_black() -> None:
    images = torch.rand(2, 4, 3, 3) * 2 - 1
    images[0, 3], images[1, 3] = 1, -1
    seen = on_black(images)
    torch.testing.assert_close(seen[0], images[0, :3])
    torch.testing.assert_close(seen[1], torch.full((3, 3, 3), -1.0))
    for channels in (1, 4):
        drawn = [(a.float(), b.float()) for a, b in pairs(5, channels)]
        assert path_length(drawn, RandomFeatures())[""] > 0


def test_unrounded_images_give_the_features_of_rounded_ones() -> None:
    images = torch.randint(0, 256, (3, 3, 9, 9), generator=torch.Generator().manual_seed(0))
    extractor = RandomFeatures()
    expected = extractor(images.to(torch.uint8))
    torch.testing.assert_close(extractor.of_unrounded(images / 127.5 - 1), expected)


class Rounding:
    name = "rounding"


def test_extractors_of_rounded_images_are_refused() -> None:
    with pytest.raises(UserError, match=r"'ppl', but extractor rounding .*lpips-vgg16"):
        smooth(Rounding())  # type: ignore[arg-type]


def test_lengths_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(RunError, match="not finite"):
        trimmed(np.array([1.0, np.nan]))
