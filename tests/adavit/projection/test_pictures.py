import io

import numpy as np
import torch
from PIL import Image

from adavit.projection.pictures import MOST_PAIRS, WayFilm, sheet, side_by_side
from adavit.runtime.pictures import CAPTION_HEIGHT, is_result


def test_the_film_has_the_target_on_the_left_and_each_step_on_the_right() -> None:
    targets = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    targets[1, 0] = 255
    film = WayFilm(targets)
    for step, tone in ((0, -1.0), (5, 0.0), (9, 1.0)):
        film.watch(step, torch.full((2, 3, 8, 8), tone), torch.tensor([0.1, 0.2]))
    with Image.open(io.BytesIO(film.gif(1))) as opened:
        assert opened.n_frames == 3
        assert is_result(opened)
        opened.seek(2)
        frame = np.asarray(opened.convert("RGB"))
    height, width = frame.shape[0] - CAPTION_HEIGHT, frame.shape[1]
    assert frame[height // 2, width // 4].tolist() == [255, 0, 0]
    assert frame[height // 2, 3 * width // 4].tolist() == [255, 255, 255]
    assert frame[height:].max() > 0  # the caption


def test_images_stand_beside_each_other_enlarged() -> None:
    pair = [torch.full((1, 8, 8), tone, dtype=torch.uint8) for tone in (10, 200)]
    picture = side_by_side(pair, ["target", "w"])
    assert picture.width > 2 * 256
    shown = np.asarray(picture.convert("L"))
    assert (shown[130, 130], shown[130, 400]) == (10, 200)


def test_a_sheet_pairs_each_target_with_its_image() -> None:
    targets = torch.zeros(5, 4, 8, 8, dtype=torch.uint8)
    targets[:, 3] = 255
    images = targets.clone()
    images[:, 1] = 99
    shown = np.asarray(sheet(targets, images).convert("RGB"))
    assert shown[30, 30, 1] == 0
    assert shown[30, 190, 1] == 99
    many = targets[:1].expand(MOST_PAIRS + 9, -1, -1, -1)
    assert sheet(many, many).size == sheet(many[:MOST_PAIRS], many[:MOST_PAIRS]).size
