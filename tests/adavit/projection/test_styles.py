import pytest
import torch

from adavit.projection.styles import style_cloud
from adavit.styles.classes import ClassChoice
from tests.adavit.projection.conftest import small_generator


def test_the_cloud_is_that_of_styles_drawn_by_another_stream() -> None:
    generator = small_generator()
    cloud = style_cloud(generator, ClassChoice(), seed=0)
    stream = torch.Generator().manual_seed(5)
    styles = generator.mapping(torch.randn(40_000, 6, generator=stream))
    mean = styles.mean(dim=0)
    spread = (styles - mean).norm(dim=1).square().mean().sqrt()
    # 10,000 draws: standard errors of a hundredth of the spread.
    torch.testing.assert_close(cloud.mean, mean, rtol=0, atol=0.05 * float(spread))
    assert cloud.spread == pytest.approx(float(spread), rel=0.03)


def test_a_class_has_a_cloud_of_its_own_and_all_of_them_the_mean_by_their_images() -> None:
    generator = small_generator(num_classes=2)

    def mean(**given: object) -> torch.Tensor:
        return style_cloud(generator, ClassChoice(**given), seed=0).mean

    first, second = mean(index=0), mean(index=1)
    assert (first - second).abs().max() > 0.05
    mixed = 0.75 * first + 0.25 * second
    torch.testing.assert_close(mean(weights=[3, 1]), mixed, rtol=0, atol=0.05)
    torch.testing.assert_close(mean(weights=[1, 0]), first, rtol=0, atol=1e-6)
