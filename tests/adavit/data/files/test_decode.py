import io
import struct
import subprocess
import sys
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import PIL
import pytest
from packaging.version import Version
from PIL import Image, ImageFile, PngImagePlugin

from adavit.data.files.decode import decode, seen_size
from adavit.data.files.deep import raw_mode
from adavit.data.files.fit import FITS, FitName
from adavit.data.files.formats import OpenedImage, Unreadable, open_image
from adavit.data.files.resize import Box
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels, planes_of
from tests.references.data_lanczos import lanczos, lanczos_rgba
from tests.references.image_writers import chunk, pack, write_png, write_tiff


def decode_file(data: bytes, resolution: int) -> np.ndarray:
    return decode(open_image(io.BytesIO(data)), Resolution(resolution, resolution)).planes


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_colour_keeps_its_exact_bytes(kind: str) -> None:
    image = pixels(8, 8, 3)
    np.testing.assert_array_equal(decode_file(encode(image, kind), 8), planes_of(image))


def test_lossless_webp_keeps_its_exact_bytes() -> None:
    image = pixels(8, 8, 3)
    np.testing.assert_array_equal(
        decode_file(encode(image, "WEBP", lossless=True), 8), planes_of(image)
    )


def test_jpeg_is_close_to_what_was_stored() -> None:
    image = np.tile(np.array([200, 100, 50], dtype=np.uint8), (16, 16, 1))
    decoded = decode_file(encode(image, "JPEG", quality=95), 16)
    # A flat colour loses only the rounding of YCbCr.
    np.testing.assert_allclose(decoded[:3].astype(int), planes_of(image)[:3], atol=3)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_grey_fills_three_equal_planes(kind: str) -> None:
    image = pixels(8, 8)
    np.testing.assert_array_equal(decode_file(encode(image, kind), 8), planes_of(image))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_one_bit_images_become_black_and_white(kind: str) -> None:
    image = Image.fromarray(pixels(8, 8) > 127)
    expected = np.where(np.asarray(image), 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(decode_file(encode(image, kind), 8), planes_of(expected))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    values = np.array(
        [[0, 128, 257, 12_850], [25_700, 32_768, 65_406, 65_535]] * 2, dtype=np.uint16
    )
    expected = np.rint(values / 257.0).astype(np.uint8)
    np.testing.assert_array_equal(decode_file(encode(values, kind), 4), planes_of(expected))


def test_big_endian_16_bit_tiff_is_scaled_too() -> None:
    values = np.array([[0, 257], [32_896, 65_535]], dtype=">u2")
    image = Image.frombytes("I;16B", (2, 2), values.tobytes())
    expected = np.array([[0, 1], [128, 255]], dtype=np.uint8)
    np.testing.assert_array_equal(decode_file(encode(image, "TIFF"), 2), planes_of(expected))


def test_16_bit_tiff_with_white_zero_is_inverted() -> None:
    values = np.array([[0, 257], [32_896, 65_535]], dtype=np.uint16)
    data = encode(values, "TIFF", tiffinfo={262: 0})
    expected = np.array([[255, 254], [127, 0]], dtype=np.uint8)
    np.testing.assert_array_equal(decode_file(data, 2), planes_of(expected))


def test_16_bit_grey_is_rounded_once_after_resizing() -> None:
    values = np.random.default_rng(0).integers(0, 65_536, (16, 16)).astype(np.uint16)
    expected = lanczos(values / 257.0, 4).clip(0, 255)
    decoded = decode_file(encode(values), 4)
    # Half a step of rounding, and float32.
    np.testing.assert_allclose(decoded[0], expected, atol=0.5 + 1e-3)
    np.testing.assert_array_equal(decoded[3], 255)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_32_bit_tiff_is_refused_because_its_white_is_undefined(mode: str) -> None:
    data = encode(Image.new(mode, (4, 4), 1), "TIFF")
    with pytest.raises(Unreadable, match="32-bit, signed or floating point"):
        decode_file(data, 4)


def test_palette_gives_its_colours() -> None:
    image = Image.fromarray(pixels(8, 8, 3)).quantize(16)
    expected = planes_of(np.asarray(image.convert("RGB")))
    np.testing.assert_array_equal(decode_file(encode(image), 8), expected)


def test_palette_with_transparency_gives_alpha() -> None:
    image = Image.new("P", (2, 2))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2, 0])
    decoded = decode_file(encode(image, transparency=bytes([255, 128, 0])), 2)
    np.testing.assert_array_equal(decoded[3], [[255, 128], [0, 255]])
    np.testing.assert_array_equal(decoded[:3, 0, 1], [0, 255, 0])
    np.testing.assert_array_equal(decoded[:3, 1, 0], [0, 0, 0])  # never seen, stored as 0


def test_transparent_colour_of_an_rgb_png_gives_alpha() -> None:
    image = np.full((2, 2, 3), 9, dtype=np.uint8)
    image[0, 0] = (1, 2, 3)
    decoded = decode_file(encode(image, transparency=(1, 2, 3)), 2)
    np.testing.assert_array_equal(decoded[3], [[0, 255], [255, 255]])


def test_transparent_value_of_a_16_bit_png_gives_alpha() -> None:
    image = Image.fromarray(np.array([[0, 500], [1000, 65_535]], dtype=np.uint16))
    decoded = decode_file(encode(image, transparency=500), 2)
    np.testing.assert_array_equal(decoded[3], [[255, 0], [255, 255]])


def test_grey_with_alpha_keeps_both() -> None:
    image = pixels(4, 4, 2)
    image[..., 1] |= 1
    decoded = decode_file(encode(Image.fromarray(image, "LA")), 4)
    np.testing.assert_array_equal(decoded[3], image[..., 1])
    np.testing.assert_array_equal(decoded[:3], np.stack([image[..., 0]] * 3))


@pytest.mark.parametrize(
    ("kind", "options"), [("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True, "exact": True})]
)
def test_rgba_is_stored_straight(kind: str, options: dict[str, bool]) -> None:
    image = pixels(8, 8, 4)
    image[..., 3] |= 1
    np.testing.assert_array_equal(decode_file(encode(image, kind, **options), 8), planes_of(image))


def test_opaque_rgba_is_resized_like_rgb() -> None:
    image = pixels(16, 16, 4)
    image[..., 3] = 255
    without = decode_file(encode(np.ascontiguousarray(image[..., :3])), 4)
    np.testing.assert_array_equal(decode_file(encode(image), 4), without)


@pytest.mark.parametrize("size", [5, 16, 37])
def test_alpha_is_multiplied_in_for_the_resizing(size: int) -> None:
    image = pixels(size, size, 4, seed=size)
    expected = lanczos_rgba(image, 8)
    decoded = decode_file(encode(image), 8)
    np.testing.assert_allclose(decoded[3], expected[3], atol=0.5 + 1e-3)  # rounding, and float32
    # Colour is divided by alpha, which magnifies float32 errors by up to 255.
    seen = decoded[3] > 0
    np.testing.assert_allclose(decoded[:3, seen], expected[:3, seen], atol=0.5 + 0.05)


def test_a_hidden_colour_does_not_bleed_into_the_edge() -> None:
    image = np.zeros((16, 16, 4), dtype=np.uint8)
    image[:, :6] = (200, 40, 10, 255)
    image[:, 6:] = (0, 255, 0, 0)  # green that nobody sees
    decoded = decode_file(encode(image), 4)
    seen = decoded[3] > 0
    assert ((decoded[3] > 0) & (decoded[3] < 255)).any()  # the edge is soft
    expected = np.broadcast_to(np.array([[200], [40], [10]]), (3, int(seen.sum())))
    np.testing.assert_array_equal(decoded[:3, seen], expected)
    np.testing.assert_array_equal(decoded[:3, ~seen], 0)


@pytest.mark.parametrize("size", [16, 33, 5])
def test_resizing_is_an_antialiased_lanczos(size: int) -> None:
    image = (
        pixels(size, size, seed=size) // 2 + 64
    )  # far from black and white, where it would clamp
    # Pillow rounds to 8 bits between its two passes, whose weights add up to at most 1.5 in size.
    np.testing.assert_allclose(
        decode_file(encode(image), 8)[0], lanczos(image, 8).clip(0, 255), atol=1.5
    )


def test_cmyk_jpeg_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow ink: red
    decoded = decode_file(encode(image, "JPEG", quality=95), 16)
    np.testing.assert_allclose(decoded[:3, 8, 8].astype(int), [255, 0, 0], atol=4)


def test_cmyk_tiff_becomes_rgb() -> None:
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    np.testing.assert_array_equal(
        decode_file(encode(image, "TIFF"), 4)[:, 0, 0], [0, 255, 255, 255]
    )


READ_SINCE_13 = pytest.mark.skipif(
    Version(PIL.__version__) < Version("13"), reason="Pillow reads none before 13.0"
)


@READ_SINCE_13
def test_ycbcr_tiff_becomes_rgb() -> None:
    image = Image.new("RGB", (4, 4), (255, 0, 0)).convert("YCbCr")
    decoded = decode_file(encode(image, "TIFF"), 4)
    np.testing.assert_allclose(decoded[:3, 0, 0].astype(int), [255, 0, 0], atol=2)


@pytest.mark.parametrize("channels", [pytest.param(2, marks=READ_SINCE_13), 4])
@pytest.mark.parametrize("clear", ["nothing", "border", "a pixel"])
def test_a_tiff_whose_colour_is_multiplied_by_alpha_is_read(channels: int, clear: str) -> None:
    samples = pixels(8, 12, channels)
    samples[..., -1] = 255
    if clear == "border":  # which the crop leaves out
        samples[:, :2] = 0
    elif clear == "a pixel":
        samples[3, 5] = 0
    data = write_tiff(samples, 1 if channels == 2 else 2, 8, tags={338: [1]})
    seen = samples[:, 2:10]
    grey = np.repeat(seen[..., :1], 3, axis=-1) if channels == 2 else seen[..., :3]
    expected = planes_of(np.concatenate([grey, seen[..., -1:]], axis=-1))
    np.testing.assert_array_equal(decode_file(data, 8), expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured_before_cropping(kind: str, orientation: int) -> None:
    upright = pixels(9, 6)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored)).convert("RGB")
    options = {"lossless": True} if kind == "WEBP" else {}
    decoded = decode_file(encode(image, kind, exif=exif, **options), 6)
    np.testing.assert_array_equal(decoded[0], upright[1:7])


def test_exif_orientation_of_a_16_bit_image_is_honoured() -> None:
    values = (pixels(6, 6).astype(np.uint16)) * 257
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode_file(encode(values, exif=exif), 6)
    np.testing.assert_array_equal(decoded[0], np.rot90(values // 257, -1))


def test_broken_exif_does_not_lose_the_image() -> None:
    image = pixels(8, 8, 3)
    data = encode(image, exif=b"Exif\0\0II*\0\xff\xff\xff\xff garbage")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # as `decoding_threads` does
        np.testing.assert_array_equal(decode_file(data, 8), planes_of(image))


@pytest.mark.parametrize(("height", "width"), [(8, 13), (13, 8), (8, 9), (9, 8)])
def test_the_centre_square_is_cropped(height: int, width: int) -> None:
    image = pixels(height, width, 3)
    top, left = (height - 8) // 2, (width - 8) // 2
    np.testing.assert_array_equal(
        decode_file(encode(image), 8), planes_of(image[top : top + 8, left : left + 8])
    )


def test_decoding_an_array_leaves_it_unchanged() -> None:
    image = pixels(16, 16, 3)
    before = image.copy()
    decode(OpenedImage(Image.fromarray(image)), Resolution(4, 4))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_files_are_unreadable(kind: str, part: float) -> None:
    data = encode(pixels(64, 64, 3), kind)
    with pytest.raises(Unreadable, match="is damaged"):
        decode_file(data[: int(len(data) * part)], 8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_flipped_bytes_give_an_image_or_unreadable_but_nothing_else(kind: str) -> None:
    data = encode(pixels(24, 24, 3), kind)
    random = np.random.default_rng(1)
    for _ in range(60):
        broken = bytearray(data)
        for position in random.integers(0, len(data), 4):
            broken[position] = random.integers(0, 256)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with suppress(Unreadable):
                assert decode_file(bytes(broken), 8).shape == (4, 8, 8)


def test_pillow_is_not_told_to_load_truncated_images() -> None:
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_large_jpeg_is_decoded_at_half_its_size(
    monkeypatch: pytest.MonkeyPatch, mode: str, orientation: int
) -> None:
    coarse = Image.fromarray(pixels(6, 5, 3)).resize((80, 96), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(coarse.convert(mode), "JPEG", quality=95, exif=exif)
    whole = decode_file(data, 16)
    monkeypatch.setattr("adavit.data.files.decode._DRAFT_PIXELS", 80 * 96 - 1)
    opened = open_image(io.BytesIO(data))
    drafted = decode(opened, Resolution(16, 16)).planes
    assert opened.image.size == (40, 48)
    assert opened.size == (80, 96)  # as stored, for the log
    np.testing.assert_allclose(drafted.astype(int), whole, atol=12)  # another filter at the edges
    assert np.abs(drafted.astype(int) - whole).mean() < 2
    full = open_image(io.BytesIO(data))
    decode(full, Resolution(32, 32))  # half of 80 is less than twice 32
    assert full.image.size == (80, 96)


MEASURE = """
import re, sys
from pathlib import Path
from adavit.data.files.decode import decode
from adavit.data.files.formats import open_image
from adavit.runtime.resolution import Resolution

def peak_kib():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1))

before = peak_kib()
for path in sys.argv[1:]:
    with open(path, "rb") as stream:
        planes = decode(open_image(stream), Resolution(64, 64)).planes
    assert (planes[3] < 255).any()
    print(peak_kib() - before)
"""


def write_large_png(path: Path, side: int, bits: int) -> Path:
    """A PNG of RGBA whose rows are all the same."""
    row = np.random.default_rng(0).integers(0, 2**bits, (1, side, 4))
    first = b"\0" + pack(row, bits, big_endian=True)
    same_again = b"\2" + b"\0" * (len(first) - 1)  # the filter "up"
    packer = zlib.compressobj(1)
    body = packer.compress(first)
    body += b"".join(packer.compress(same_again) for _ in range(side - 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, bits, 6, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), chunk(b"IDAT", body), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


@pytest.mark.slow  # a process of its own, with its imports
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured as Linux tells it")
def test_memory_is_that_of_the_stored_pixels_and_little_more(tmp_path: Path) -> None:
    # 16 megapixels of RGBA: 61 MiB at 8 bits, twice that at 16.
    files = [write_large_png(tmp_path / f"{bits}.png", 4000, bits) for bits in (8, 16)]
    command = [sys.executable, "-c", MEASURE, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    eight, sixteen = (int(line) / 1024 for line in done.stdout.split())
    assert eight < 130
    assert sixteen < 200


def on_its_side(image: np.ndarray, orientation: int, kind: str) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, kind, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_the_size_is_that_of_the_image_as_it_is_seen(kind: str) -> None:
    image = pixels(8, 12, 3)
    for orientation in range(1, 9):
        opened = open_image(io.BytesIO(on_its_side(image, orientation, kind)))
        seen = seen_size(opened)
        assert seen == ((12, 8) if orientation < 5 else (8, 12))
        planes = decode(opened, Resolution(seen[1], seen[0])).planes[:3]
        assert sorted(planes.ravel()) == sorted(image.ravel())  # nothing is cut, and none resized


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_another_shape_is_fitted(fit: FitName, channels: int) -> None:
    image = pixels(16, 40, channels) if channels > 1 else pixels(16, 40)
    opened = open_image(io.BytesIO(encode(image)))
    decoded = decode(opened, Resolution(16, 24), fit=FITS[fit])
    planes = decoded.planes
    assert planes.shape == (4, 16, 24)
    assert decoded.inside == (Box(0, 3, 24, 10) if fit == "pad" else None)
    whole = planes_of(image)
    if fit == "crop":
        np.testing.assert_array_equal(planes, whole[:, :, 8:32])
        return
    size = (16, 24) if fit == "stretch" else (10, 24)
    shown = planes if fit == "stretch" else planes[:, 3:13]
    if channels < 4:
        resized = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.LANCZOS))
        np.testing.assert_array_equal(shown, planes_of(resized))
    if fit == "pad":
        np.testing.assert_array_equal(planes[:, :3], shown[:, 3:0:-1])
        np.testing.assert_array_equal(planes[:, 13:], shown[:, -2:-5:-1])


def test_the_size_of_a_png_is_told_without_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    image, exif = Image.new("RGB", (12, 8)), Image.Exif()
    exif[0x0112] = 6
    loaded = []
    load = PngImagePlugin.PngImageFile.load
    monkeypatch.setattr(
        PngImagePlugin.PngImageFile, "load", lambda it: (loaded.append(it), load(it))[1]
    )
    turned = [encode(image, exif=exif), *(encode(image, pnginfo=text) for text in TURNED.values())]
    assert seen_size(open_image(io.BytesIO(encode(image)))) == (12, 8)
    for data in turned:
        opened = open_image(io.BytesIO(data))
        assert seen_size(opened) == (8, 12)
        assert raw_mode(opened.image) == "RGB"  # "" once it is decoded
    assert not loaded


def turned_by_text(keyword: str, text: str) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text(keyword, text)
    return info


def raw_profile(orientation: int) -> str:
    """EXIF as ImageMagick writes it into a PNG as text."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = exif.tobytes()
    return f"\nexif\n{len(data):8}\n{data.hex()}\n"


TURNED = {
    "raw profile": turned_by_text("Raw profile type exif", raw_profile(6)),
    "XMP": turned_by_text("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>'),
}


@pytest.mark.parametrize("kind", TURNED)
def test_text_that_turns_a_png_is_heeded_and_changes_no_sample(kind: str) -> None:
    image = pixels(8, 12, 3)
    opened = open_image(io.BytesIO(encode(image, pnginfo=TURNED[kind])))
    width, height = seen_size(opened)
    planes = decode(opened, Resolution(height, width)).planes
    np.testing.assert_array_equal(planes, planes_of(np.rot90(image, -1)))


def test_exif_behind_the_pixels_is_heeded_whatever_was_asked_before() -> None:
    image, exif = pixels(8, 8, 3), Image.Exif()
    exif[0x0112] = 3
    data = write_png(image, 2, 8, behind=[(b"eXIf", exif.tobytes()[6:])])
    opened = open_image(io.BytesIO(data))
    assert seen_size(opened) == (8, 8)
    planes = decode(opened, Resolution(8, 8)).planes
    np.testing.assert_array_equal(planes, planes_of(image[::-1, ::-1]))
