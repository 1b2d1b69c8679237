import io

import numpy as np
import pytest
from PIL import Image

from adavit.data.files import resize
from adavit.data.files.decode import decode, largest_sample
from adavit.data.files.deep import deep_samples
from adavit.data.files.formats import OpenedImage, Unreadable, open_image
from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels
from tests.references.data_lanczos import lanczos
from tests.references.image_writers import PNG_CHANNELS, write_png, write_tiff


def opened(data: bytes) -> OpenedImage:
    return open_image(io.BytesIO(data))


def samples_of(channels: int, side: int = 9) -> np.ndarray:
    return np.random.default_rng(channels).integers(0, 65536, (side, side, channels))


FILES = {
    **{
        f"png {kind}": (write_png, kind, channels)
        for kind, channels in PNG_CHANNELS.items()
        if kind != 3
    },
    "tiff grey": (write_tiff, 1, 1),
    "tiff rgb": (write_tiff, 2, 3),
    "tiff rgba": (write_tiff, 2, 4),
}


@pytest.mark.parametrize("kind", FILES)
def test_samples_are_read_in_full(kind: str) -> None:
    write, colours, channels = FILES[kind]
    samples = samples_of(channels)
    tags = {"tags": {338: [2]}} if kind == "tiff rgba" else {}
    deep = deep_samples(opened(write(samples, colours, 16, **tags)))  # type: ignore[operator]
    assert deep is not None
    np.testing.assert_array_equal(deep.rows((2, 1, 7, 5)), samples[1:5, 2:7])
    assert deep.white == 65535


@pytest.mark.parametrize("strip_pixels", [8, 10_000])
def test_the_largest_sample_is_of_the_square_and_not_of_alpha(
    monkeypatch: pytest.MonkeyPatch, strip_pixels: int
) -> None:
    monkeypatch.setattr(resize, "STRIP_PIXELS", strip_pixels)
    samples = np.full((6, 10, 4), 100)
    samples[..., 3] = 60_000
    samples[0, 0, 0] = 50_000  # cropped away
    samples[5, 7, 2] = 4_000
    assert largest_sample(opened(write_png(samples, 6, 16)), Resolution(8, 8)) == 4_000
    deep = deep_samples(opened(write_png(samples, 6, 16)))
    assert deep is not None
    assert deep.largest(Box(0, 0, 6, 6)) == 50_000


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG", "WEBP"])
def test_images_of_8_bits_have_no_such_samples(kind: str) -> None:
    assert largest_sample(opened(encode(pixels(8, 8, 3), kind)), Resolution(8, 8)) is None


def test_16_bit_colour_is_rounded_once_after_resizing() -> None:
    samples = samples_of(3, side=16)
    planes = decode(opened(write_png(samples, 2, 16)), Resolution(4, 4)).planes
    for channel in range(3):
        expected = lanczos(samples[..., channel] / 257.0, 4).clip(0, 255)
        np.testing.assert_allclose(planes[channel], expected, atol=0.5 + 1e-3)  # float32


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", [2, 6])
def test_both_bytes_are_turned(kind: int, orientation: int) -> None:
    samples = samples_of(PNG_CHANNELS[kind])
    samples[..., -1] |= 0x8000
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = write_png(samples, kind, 16, before=[(b"eXIf", exif.tobytes()[6:])])
    turns = {3: 2, 6: -1}[orientation]
    expected = np.rot90(np.rint(samples[..., :3] / 257.0), turns).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(opened(data), Resolution(9, 9)).planes[:3], expected)


def test_samples_above_white_are_white() -> None:
    samples = np.array([[[0], [50]], [[100], [65535]]])
    planes = decode(opened(write_png(samples, 0, 16)), Resolution(2, 2), white=100).planes
    assert planes[0].tolist() == [[0, 128], [255, 255]]


@pytest.mark.parametrize("tags", [{339: [2]}, {339: [3]}])
def test_signed_and_floating_samples_of_16_bits_are_never_taken_for_others(
    tags: dict[int, list[int]],
) -> None:
    with pytest.raises(Unreadable):
        decode(opened(write_tiff(samples_of(1), 1, 16, tags=tags)), 8)
