import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from adavit.diagnostics.discriminator.patches import PatchComponents, draw_components
from adavit.diagnostics.discriminator.pictures import (
    LAYERS_LEGEND,
    SALIENCY_LEGEND,
    LookedAt,
    _explain,
    _panels,
    draw_images,
    new_figure,
    over_grey,
    spread,
    to_top,
)


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def test_a_map_is_brightest_at_its_top_and_zeros_stay_zeros() -> None:
    light = torch.zeros(10, 20)
    light[0, :4] = 2.0
    light[0, 0] = 1.0
    shown = to_top(light)
    assert shown[0, 0] == pytest.approx(0.5)
    assert (shown[0, 1:4] == 1).all()
    assert (shown[1:] == 0).all()
    assert (to_top(torch.zeros(3, 3)) == 0).all()


def test_colours_dots_and_dashes_are_explained_within_the_picture() -> None:
    figure = new_figure(4.8, 3, "title")
    _explain(figure, SALIENCY_LEGEND, LAYERS_LEGEND)
    FigureCanvasAgg(figure)
    figure.canvas.draw()
    _, text = figure.texts
    assert "dashed" in text.get_text()
    assert text.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_channels_are_drawn(channels: int) -> None:
    images = torch.rand(2, channels, 8, 8) * 2 - 1
    look = LookedAt(images, torch.tensor([1.0, -1.0]), torch.rand(2, 8, 8), torch.rand(2, 2, 2))
    narrow = opened(draw_images({"heldout": look, "generated": look}, "a $title"))
    judged = replace(look, places={"fine": torch.randn(2, 4, 4), "coarse": torch.zeros(2, 1, 1)})
    broad = opened(draw_images({"heldout": judged, "generated": judged}, "a $title"))
    assert broad.width == pytest.approx(narrow.width * (2 * 5 + 0.8) / (2 * 3 + 0.8), abs=1)
    few = LookedAt(images[:1], torch.tensor([0.0]), torch.zeros(1, 8, 8), torch.zeros(1, 2, 2))
    wide = opened(draw_images({"heldout": look, "generated": few}, "a $title"))
    assert wide.width > 2 * wide.height
    filters = PatchComponents("x", torch.randn(9, channels, 3, 3), torch.full((9,), 0.1))
    assert opened(draw_components(filters, "title")).width > 100


@pytest.mark.parametrize(
    "title",
    ["a run", "/home/someone/experiments/00012-my_photos-vit-bgc" * 4, "words of a title " * 12],
)
@pytest.mark.parametrize("width", [3.0, 6.7])
def test_a_title_stays_within_its_picture(title: str, width: float) -> None:
    figure = new_figure(width, 4, title)
    FigureCanvasAgg(figure)
    figure.canvas.draw()
    (text,) = figure.texts
    extent = text.get_window_extent()
    assert extent.x1 <= figure.bbox.x1
    assert extent.y1 <= figure.bbox.y1


def test_a_rollout_is_colour_over_its_image_in_grey() -> None:
    image = np.zeros((1, 3, 3), dtype=np.uint8)
    image[0, 1:] = (200, 100, 50)  # grey of 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    drawn = over_grey(image, np.array([[0.0, 0.0, 1.0]]))
    dark, yellow = np.array([68, 1, 84]), np.array([253, 231, 37])  # the ends of viridis
    assert drawn[0, 0].tolist() == np.rint(0.6 * dark).tolist()
    np.testing.assert_allclose(drawn[0, 1], 0.6 * dark + 0.4 * 124.2, atol=1)
    np.testing.assert_allclose(drawn[0, 2], 0.6 * yellow + 0.4 * 124.2, atol=1)


def test_a_place_is_as_large_as_its_part_of_the_image() -> None:
    light = np.array([[0.0, 0.5], [1.0, 0.25]])
    assert spread(light, (4, 6)).tolist() == [
        *2 * [[0.0] * 3 + [0.5] * 3],
        *2 * [[1.0] * 3 + [0.25] * 3],
    ]
    assert spread(light, (5, 5))[:, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 1.0]


def test_places_taken_for_real_are_blue_and_those_taken_for_generated_red() -> None:
    look = LookedAt(
        -torch.ones(1, 3, 4, 4),
        torch.zeros(1),
        torch.zeros(1, 4, 4),
        places={"fine": torch.tensor([[[3.0, -1.5], [0.0, 3.0]]])},
    )
    (tile,) = _panels(look, {"fine": 3.0})["fine"]
    assert tile.shape == (4, 4, 3)
    blue, white, red = tile[0, 0].tolist(), tile[3, 0].tolist(), tile[0, 3].tolist()
    # The ends and the middle of RdBu, 60% over black.
    np.testing.assert_allclose(blue, 0.6 * np.array([5, 48, 97]), atol=1)
    np.testing.assert_allclose(white, 0.6 * np.array([247, 247, 247]), atol=1)
    assert red[0] > 1.5 * red[2]


def test_a_head_that_takes_nothing_for_anything_is_white() -> None:
    look = LookedAt(
        -torch.ones(1, 3, 4, 4),
        torch.zeros(1),
        torch.zeros(1, 4, 4),
        places={"fine": torch.zeros(1, 2, 2)},
    )
    (tile,) = _panels(look, {"fine": 0.0})["fine"]
    np.testing.assert_allclose(tile, 0.6 * 247, atol=1)


@pytest.mark.parametrize(("size", "inches"), [((8, 8), 1.0), ((4, 8), 0.5), ((12, 8), 1.5)])
def test_rows_are_as_tall_as_images_of_one_inch(size: tuple[int, int], inches: float) -> None:
    def drawn(count: int) -> Image.Image:
        logits, light = torch.zeros(count), torch.zeros(count, *size)
        look = LookedAt(torch.zeros(count, 3, *size), logits, light, torch.zeros(count, 2, 2))
        return opened(draw_images({"heldout": look, "generated": look}, "title"))

    taller = drawn(3).height - drawn(1).height
    assert taller == pytest.approx(2 * 110 * (inches + 0.2), abs=2)
