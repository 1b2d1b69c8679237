import io
import sys
import types
import warnings

import numpy as np
import pytest
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo

from adavit.data.files.decode import decode
from adavit.data.files.formats import (
    MAXIMUM_PIXELS,
    OpenedImage,
    Unavailable,
    Unreadable,
    open_image,
    unreadable,
)
from adavit.runtime.pictures import result_gif, result_png
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels, png_header

AVIF = b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miafMA1B"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
LIVE_PHOTO = b"\0\0\0\x1cftypmif1\0\0\0\0mif1heixmiaf"


def decode_file(data: bytes, resolution: int) -> np.ndarray:
    return decode(open_image(io.BytesIO(data)), Resolution(resolution, resolution)).planes


@pytest.mark.parametrize("text", ["short", "long"])
def test_the_content_of_a_file_is_all_of_it(text: str) -> None:
    info = PngInfo()
    info.add_text("parameters", "a" * (3 << 20 if text == "long" else 9), zip=True)
    data = encode(pixels(8, 8, 3), pnginfo=info)
    opened = open_image(io.BytesIO(data))
    assert opened.content() == data
    decode(opened, Resolution(8, 8))
    assert opened.content() == data


@pytest.mark.parametrize("size", [(25_001, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_over_250_megapixels_is_refused_from_the_header(size: tuple[int, int]) -> None:
    with pytest.raises(Unreadable, match="over 250 megapixels"):
        open_image(io.BytesIO(png_header(*size)))


def test_exactly_250_megapixels_is_accepted() -> None:
    image = open_image(io.BytesIO(png_header(25_000, 10_000))).image
    assert image.width * image.height == MAXIMUM_PIXELS


def test_an_absurdly_long_side_is_refused_from_the_header() -> None:
    assert open_image(io.BytesIO(png_header(100_000, 2))).size == (100_000, 2)
    with pytest.raises(Unreadable, match=r"a side of over 100,000 pixels \(2x100001\)"):
        open_image(io.BytesIO(png_header(2, 100_001)))


def test_a_later_page_may_not_be_too_large_either(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = [Image.new("L", (4, 4)), Image.new("L", (5, 4))]
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    monkeypatch.setattr("adavit.data.files.formats.MAXIMUM_PIXELS", 16)
    opened = open_image(io.BytesIO(data))
    with pytest.raises(Unreadable, match=r"over 0 megapixels \(5x4\)"):
        opened.seek(1)


@pytest.mark.parametrize(
    "data",
    [
        b"\0" * 100,
        b"hello",
        b"<svg/>",
        b"%PDF-1.4",
        b"\x80\x04\x95pickle",
        b"RIFF1234WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom",
    ],
)
def test_other_files_are_named_as_no_image(data: bytes) -> None:
    formats = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
    with pytest.raises(Unreadable, match=f"is not a {formats} image"):
        decode_file(data, 8)


@pytest.mark.parametrize(
    "signature",
    [
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"BM",
        b"II*\0",
        b"GIF89a",
        b"RIFF1234WEBPVP8 ",
        *([AVIF] if features.check("avif") else []),
    ],
)
@pytest.mark.parametrize("rest", [b"", b"\0" * 50, b"\xff" * 50, bytes(range(256)) * 4])
def test_hostile_bytes_behind_a_signature_are_unreadable(signature: bytes, rest: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as `decoding_threads` does
        with pytest.raises(Unreadable, match=r"is damaged|megapixels"):
            decode_file(signature + rest, 8)


def test_gif_keeps_the_colours_of_its_palette() -> None:
    image = Image.fromarray(pixels(8, 8, 3)).quantize(16)
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    found = decode_file(encode(image, "GIF"), 8)
    np.testing.assert_array_equal(found[:3], expected)
    assert (found[3] == 255).all()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_close_to_what_was_stored() -> None:
    flat = np.tile(np.array([200, 100, 50], dtype=np.uint8), (16, 16, 1))
    found = decode_file(encode(flat, "AVIF", quality=95), 16)
    np.testing.assert_allclose(found[:3].astype(int), flat.transpose(2, 0, 1), atol=4)


def test_avif_without_its_decoder_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "check", lambda _: False)
    monkeypatch.setitem(sys.modules, "pillow_avif", None)
    with pytest.raises(Unreadable, match=r"is an AVIF image.*pip install pillow-avif-plugin"):
        open_image(io.BytesIO(AVIF))


@pytest.mark.parametrize("head", [HEIC, LIVE_PHOTO])
def test_heic_without_its_decoder_names_the_package(
    monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(Unreadable, match=r"is a HEIC image.*pip install pillow-heif"):
        open_image(io.BytesIO(head))


def test_heic_is_read_by_its_package_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = types.ModuleType("pillow_heif")
    plugin.HeifImageFile = lambda stream, name: Image.new("RGB", (3, 5))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    assert open_image(io.BytesIO(HEIC)).size == (3, 5)


def test_what_the_system_refuses_is_unavailable_and_all_else_is_damage() -> None:
    refused = unreadable(PermissionError(13, "Permission denied"))
    assert isinstance(refused, Unavailable)
    assert str(refused) == "cannot be read (Permission denied)"
    assert str(unreadable(ValueError("a\x1bb"))) == "is damaged: a\\x1bb"
    assert str(unreadable(KeyError())) == "is damaged: KeyError"
    with pytest.raises(MemoryError):
        unreadable(OSError("decoder error -9: out of memory error"))


def test_a_second_look_is_at_the_same_frame() -> None:
    frames = [Image.new("L", (4, 4), value) for value in (10, 20, 30)]
    data = encode(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    opened = open_image(io.BytesIO(data))
    opened.seek(2)
    again = opened.again()
    assert again is not None
    assert again.getpixel((0, 0)) == 30


def test_an_image_in_memory_has_no_second_look() -> None:
    opened = OpenedImage(Image.new("L", (4, 4)))
    assert (opened.again(), opened.without_extras()) == (None, None)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_pictures_and_films_of_results_are_no_images_of_a_set(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    written = {"PNG": result_png(frames[0]), "GIF": result_gif(frames, milliseconds=(90, 90))}
    with pytest.raises(Unreadable, match="a picture of results"):
        open_image(io.BytesIO(written[kind]))


def test_the_content_of_a_file_is_its_bytes_whatever_was_read_of_it() -> None:
    data = encode(pixels(8, 8, 3), "PNG")
    opened = open_image(io.BytesIO(data))
    opened.image.load()
    assert opened.content() == data
    assert OpenedImage(Image.new("RGB", (4, 4))).content() is None
