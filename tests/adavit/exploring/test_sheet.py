import numpy as np
import pytest
import torch
from PIL import Image

from adavit.errors import UserError
from adavit.exploring.sheet import labelled_sheet
from adavit.generation.grid import check_size, image_grid
from adavit.runtime.resolution import Resolution


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_images_lie_below_and_beside_their_names(channels: int) -> None:
    stream = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, channels, 16, 16), generator=stream, dtype=torch.uint8)
    names = {"rows": ["", "a long name of a row"], "columns": ["-3", "0", "+3"]}
    sheet = labelled_sheet(images, **names)
    grid = image_grid(images, columns=3)
    left, top = sheet.width - grid.width, sheet.height - grid.height
    assert np.array_equal(sheet.crop((left, top, *sheet.size)), grid)
    above = np.array(sheet.crop((left, 0, sheet.width, top)).convert("L"))
    columns = np.array_split(above, 3, axis=1)
    assert all(part.max() > 100 for part in columns)
    beside = np.array(sheet.crop((0, top, left, sheet.height)).convert("L"))
    first, second = np.array_split(beside, 2, axis=0)
    assert first.max() == 0
    assert second.max() > 100
    assert (second[:, 0] == 0).all()
    if channels == 4:
        assert np.array(sheet.getchannel("A"))[:top].min() == 255


def test_long_names_are_cut() -> None:
    images = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    sheet = labelled_sheet(images, rows=["9" * 300], columns=["9" * 20] * 2)
    assert sheet.width < 64 * 2 + 6 + 180
    assert isinstance(sheet, Image.Image)


def test_a_sheet_that_no_memory_holds_is_refused() -> None:
    square = Resolution(64, 64)
    check_size(100, 100, square, None)
    with pytest.raises(UserError, match=r"has 1000 x 1000 images, 4,356 megapixels, expected at"):
        check_size(1000, 1000, square, None)
    with pytest.raises(UserError, match="Name fewer seeds, or lower --scale"):
        check_size(20, 20, square, 64)
    with pytest.raises(UserError, match=r"has 1000 x 1000 images, 1,092 megapixels, expected at"):
        check_size(1000, 1000, Resolution(24, 40), None)
