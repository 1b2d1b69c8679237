import pytest
import torch

from adavit.projection.styles import style_cloud
from tests.adavit.projection.conftest import small_generator


def test_the_cloud_is_that_of_styles_drawn_by_another_stream() -> None:
    generator = small_generator()
    cloud = style_cloud(generator, class_index=None, label_counts=None, seed=0)
    stream = torch.Generator().manual_seed(5)
    styles = generator.mapping(torch.randn(40_000, 6, generator=stream))
    mean = styles.mean(dim=0)
    spread = (styles - mean).norm(dim=1).square().mean().sqrt()
    # 10,000 draws: standard errors of a hundredth of the spread.
    torch.testing.assert_close(cloud.mean, mean, rtol=0, atol=0.05 * float(spread))
    assert cloud.spread == pytest.approx(float(spread), rel=0.03)


def test_a_class_has_a_cloud_of_its_own_and_all_of_them_the_mean_by_their_images() -> None:
    generator = small_generator(num_classes=2)

    def mean(class_index: int | None, counts: list[int] | None) -> torch.Tensor:
        return style_cloud(generator, class_index=class_index, label_counts=counts, seed=0).mean

    first, second = mean(0, [1, 1]), mean(1, [1, 1])
    assert (first - second).abs().max() > 0.05
    torch.testing.assert_close(mean(None, [3, 1]), 0.75 * first + 0.25 * second, rtol=0, atol=0.05)
    torch.testing.assert_close(mean(None, [1, 0]), first, rtol=0, atol=1e-6)
    torch.testing.assert_close(mean(None, None), (first + second) / 2, rtol=0, atol=0.05)
