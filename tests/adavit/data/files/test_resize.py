import numpy as np
import pytest
from PIL import Image

from adavit.data.files import resize
from adavit.data.files.resize import FILTER, Box, resize_strips, resize_with_alpha
from tests.references.data_files import pixels
from tests.references.data_lanczos import lanczos_rgba


@pytest.mark.parametrize("pixels_per_strip", [1, 40, 150, 10_000])
def test_strips_cover_the_part_once(monkeypatch: pytest.MonkeyPatch, pixels_per_strip: int) -> None:
    monkeypatch.setattr(resize, "STRIP_PIXELS", pixels_per_strip)
    counts = np.zeros((20, 20), dtype=int)
    for left, top, right, bottom in Box(3, 2, 11, 13).strips():
        counts[top:bottom, left:right] += 1
    expected = np.zeros((20, 20), dtype=int)
    expected[2:15, 3:14] = 1
    np.testing.assert_array_equal(counts, expected)


@pytest.mark.parametrize("size", [(4, 4), (37, 37), (64, 64), (37, 12), (20, 37)])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "F"])
def test_strips_give_the_bits_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, mode: str, size: tuple[int, int]
) -> None:
    image = Image.fromarray(pixels(41, 37, 3)).convert("L" if mode == "F" else mode).convert(mode)
    whole = image.crop((0, 2, 37, 39)).resize(size[::-1], FILTER)
    monkeypatch.setattr(resize, "STRIP_PIXELS", 37 * 5)
    (found,) = resize_strips(Box(0, 2, 37, 37), lambda box: [image.crop(box)], size)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(whole))


@pytest.mark.parametrize("strip_pixels", [100, 100_000])
def test_alpha_is_multiplied_in_as_the_reference_does(
    monkeypatch: pytest.MonkeyPatch, strip_pixels: int
) -> None:
    monkeypatch.setattr(resize, "STRIP_PIXELS", strip_pixels)
    image = pixels(29, 29, 4)

    def strip(box: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        part = image[box[1] : box[3], box[0] : box[2]].astype(np.float32)
        return part[..., :3], part[..., 3] / np.float32(255)

    colour, alpha = resize_with_alpha(Box(0, 0, 29, 29), strip, (8, 8))
    expected = lanczos_rgba(image, 8)
    np.testing.assert_allclose(alpha, expected[3], atol=0.5 + 1e-3)  # rounding, and float32
    # Colour is divided by alpha, which magnifies float32 errors by up to 255.
    seen = alpha > 0
    np.testing.assert_allclose(colour[:, seen], expected[:3, seen], atol=0.5 + 0.05)


def test_without_alpha_all_is_opaque() -> None:
    image = np.full((5, 5, 1), 7.0, dtype=np.float32)
    colour, alpha = resize_with_alpha(Box(0, 0, 5, 5), lambda box: (image[: box[3]], None), (4, 4))
    assert (alpha == 255).all()
    assert (colour == 7).all()
