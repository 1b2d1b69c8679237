import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.curation.uncropped import decode_whole, white_of_whole
from adavit.data.files.collection import open_files
from adavit.data.files.formats import open_image
from adavit.data.reading import Scale16Bit
from tests.references.data_files import encode, pixels, planes_of, write_folder


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("size", [(7, 12), (12, 7), (9, 9), (1, 300)])
def test_a_whole_image_keeps_its_shape_and_its_exact_bytes(
    channels: int, size: tuple[int, int]
) -> None:
    image = pixels(*size, channels) if channels > 1 else pixels(*size)
    found = decode_whole(open_image(io.BytesIO(encode(image, "PNG")))).planes
    np.testing.assert_array_equal(found, planes_of(image))


def test_a_whole_image_of_16_bits_is_turned_and_rounded_once() -> None:
    samples = np.arange(5 * 8, dtype=np.uint16).reshape(5, 8) * 1600
    exif = Image.Exif()
    exif[0x0112] = 6  # seen turned by a quarter clockwise
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, format="PNG", exif=exif)
    buffer.seek(0)
    found = decode_whole(open_image(buffer)).planes
    expected = np.rint(np.rot90(samples, -1) / 257).astype(np.uint8)
    np.testing.assert_array_equal(found, planes_of(expected))


@pytest.mark.parametrize(("scale", "white"), [("auto", None), ("full", 65535), ("set", 4095)])
def test_the_white_of_a_set_is_looked_for_in_all_of_each_image(
    tmp_path: Path, scale: Scale16Bit, white: int | None
) -> None:
    samples = np.full((3, 5, 40), 100, np.uint16)
    samples[1, 0, 39] = 3929  # which a crop to the middle would leave out
    files = {f"{at}.png": encode(each, "PNG") for at, each in enumerate(samples)}
    with open_files(write_folder(tmp_path / "set", files), "set") as collection:
        assert white_of_whole(collection.images(), scale) == white
