import io

import numpy as np
import pytest
from PIL import Image

from adavit.curation.uncropped import decode_whole
from adavit.data.files.formats import open_image
from tests.references.data_files import encode, pixels, planes_of


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
