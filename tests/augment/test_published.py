import numpy as np
import pytest
import torch

from tests.augment.helpers import pipe_of

EXACT = (
    *("brightness", "contrast", "lumaflip", "hue", "saturation", "color"),
    *("imgfilter", "cutout"),
)
MOVED = ("xint", "scale", "rotate", "aniso", "xfrac", "geom", "bg", "bgc", "bgcf")
COPIED = ("xflip", "rotate90", "blit")


def difference(published: dict[str, np.ndarray], name: str, quantile: str) -> torch.Tensor:
    images = torch.from_numpy(published["images/rgb32"])
    expected = torch.from_numpy(published[f"{name}/rgb32/{quantile}"])
    return (pipe_of(name)(images, quantile=float(quantile)) - expected).abs().flatten()


@pytest.mark.parametrize("quantile", ["0.35", "0.8"])
@pytest.mark.parametrize("name", EXACT)
def test_color_filter_and_cutout_agree_everywhere(published, name: str, quantile: str) -> None:
    assert difference(published, name, quantile).max() < 1e-5


@pytest.mark.parametrize("quantile", ["0.35", "0.8"])
@pytest.mark.parametrize("name", MOVED)
def test_geometric_operations_agree_but_for_reflected_areas(
    published, name: str, quantile: str
) -> None:
    found = difference(published, name, quantile)
    assert found.median() < 1e-4
    assert found.quantile(0.95) < 0.02


@pytest.mark.parametrize("quantile", ["0.35", "0.8"])
@pytest.mark.parametrize("name", COPIED)
def test_exact_moves_agree_to_the_blur_of_the_published_ones(
    published, name: str, quantile: str
) -> None:
    found = difference(published, name, quantile)
    assert found.median() < 0.01
    assert found.quantile(0.95) < 0.03


def test_every_published_result_is_compared(published) -> None:
    names = {name.split("/")[0] for name in published} - {"images"}
    assert names == {*EXACT, *MOVED, *COPIED}
