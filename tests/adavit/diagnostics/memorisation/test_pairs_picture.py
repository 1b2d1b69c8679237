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
