"""`closest_pairs.png`."""

import io

import torch
from PIL import Image

from adavit.diagnostics.memorisation.pairs_picture import Pair, draw_pairs


def test_the_picture_shows_each_pair_and_survives_any_title() -> None:
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    images[0, 0], images[1, 2] = 255, 255  # red, blue
    pair = Pair(images[0], images[1], 0, 1, mirrored=True, distance=1.0, is_close=True)
    content = draw_pairs({"pixels (levels)": [pair] * 3}, "$broken_{ name")
    colours = Image.open(io.BytesIO(content)).convert("RGB").getcolors(1 << 20)
    assert colours is not None
    area = {colour: count for count, colour in colours}
    assert area[255, 0, 0] == area[0, 0, 255] > 3 * 100 * 100


def test_a_long_title_stays_within_the_picture() -> None:
    image = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    pair = Pair(image, image, 0, 1, mirrored=False, distance=1.0, is_close=False)
    title = (
        "/home/someone/experiments/few-photographs/00012-my_photos-vit-bgc: the closest of 2,000"
    )
    for words in (title, f"{title} generated images to {'training ' * 30}"):
        drawn = Image.open(io.BytesIO(draw_pairs({"pixels (levels)": [pair]}, words))).convert("L")
        assert drawn.crop((drawn.width - 8, 0, *drawn.size)).getextrema() == (255, 255)
        assert drawn.crop((0, 0, 60, 8)).getextrema() == (255, 255)
