import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from adavit.data.files.decode import Decoded, decode
from adavit.data.files.formats import open_image
from adavit.data.files.profiles import LAB, to_srgb
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode, pixels
from tests.references.image_writers import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB,
    profile_to_srgb,
    write_png,
    write_profile,
    write_tiff,
)

SIDE = 16
COLOURS = pixels(SIDE, SIDE, 3)
# Little CMS rounds to 8 bits, and to 16 on the way, where the curves are steep near black; the closed form does not.
TOLERANCE = 2


def decoded(data: bytes, side: int = SIDE) -> Decoded:
    return decode(open_image(io.BytesIO(data)), Resolution(side, side))


def rows(decoded: Decoded) -> np.ndarray:
    return decoded.planes[:3].transpose(1, 2, 0).astype(float)


@pytest.mark.parametrize("primaries", [DISPLAY_P3, ADOBE_RGB], ids=["p3", "adobe"])
@pytest.mark.parametrize("gamma", [1.8, 2.2])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colours_become_those_of_the_closed_form(
    kind: str, gamma: float, primaries: np.ndarray
) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    profile = write_profile(primaries, gamma, "wide")
    found = decoded(encode(COLOURS, kind, icc_profile=profile, **options))
    expected = profile_to_srgb(COLOURS, primaries, gamma)
    np.testing.assert_allclose(rows(found), expected, atol=TOLERANCE)
    assert np.abs(COLOURS - expected).max() > 20  # so that the values as they are would not pass
    assert (found.profile, found.broken_profile) == ("wide", False)


def test_a_jpeg_is_converted_too() -> None:
    flat = np.tile(np.array([200, 60, 60], dtype=np.uint8), (SIDE, SIDE, 1))
    data = encode(flat, "JPEG", quality=95, icc_profile=write_profile(DISPLAY_P3, 2.2))
    expected = profile_to_srgb(flat, DISPLAY_P3, 2.2)
    np.testing.assert_allclose(rows(decoded(data)), expected, atol=6)  # a step of YCbCr, widened


def test_samples_of_16_bits_are_converted_too() -> None:
    profile = write_profile(DISPLAY_P3, 2.2)
    data = write_tiff(COLOURS.astype(int) * 257, 2, 16, profile=profile)
    expected = profile_to_srgb(COLOURS, DISPLAY_P3, 2.2)
    np.testing.assert_allclose(rows(decoded(data)), expected, atol=TOLERANCE)


def test_what_nobody_sees_stays_black() -> None:
    image = np.dstack([COLOURS, np.full((SIDE, SIDE), 255, dtype=np.uint8)])
    image[:8, :, 3] = 0
    found = decoded(encode(image, icc_profile=write_profile(DISPLAY_P3, 2.2)))
    assert (found.planes[:3, :8] == 0).all()
    expected = profile_to_srgb(COLOURS[8:], DISPLAY_P3, 2.2)
    np.testing.assert_allclose(rows(found)[8:], expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    "profile",
    [
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        write_profile(SRGB, None),
    ],
    ids=["Little CMS", "cameras"],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_in_srgb_keeps_its_bytes(channels: int, profile: bytes) -> None:
    image = COLOURS[..., 0] if channels == 1 else COLOURS
    found = decoded(encode(image, icc_profile=profile))
    np.testing.assert_array_equal(rows(found), COLOURS[..., :channels] * np.ones(3))
    assert (found.profile, found.broken_profile) == (None, False)


@pytest.mark.parametrize("primaries", [None, SRGB, ADOBE_RGB], ids=["grey", "rgb", "adobe"])
def test_grey_stays_grey_and_takes_the_curve(primaries: np.ndarray | None) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(SIDE, SIDE)
    found = decoded(encode(grey, icc_profile=write_profile(primaries, 1.0)))
    expected = profile_to_srgb(np.dstack([grey] * 3), None, 1.0)
    np.testing.assert_allclose(rows(found), expected, atol=TOLERANCE)
    assert (found.planes[0] == found.planes[1]).all()
    assert (found.planes[0] == found.planes[2]).all()


def test_lab_becomes_srgb() -> None:
    # L* = 53.24, a* = 80.09, b* = 67.20 (D65) is red; in the D50 of ICC it is 54.29, 80.81, 69.89.
    lab = np.array([[[round(54.29 * 255 / 100), 81, 70]]])
    found = decoded(write_tiff(np.tile(lab, (4, 4, 1)), 8, 8), 4)
    np.testing.assert_allclose(found.planes[:3, 0, 0].astype(int), [255, 0, 0], atol=6)
    assert found.profile == LAB


def ink_profile() -> bytes:
    """A CMYK profile: a Lab table of two points per ink (ICC.1:2001, 6.5.8), brighter than white less ink."""
    corners = np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    lightness = 100 * (1 - 0.2 * corners[:, :3].mean(axis=1)) * (1 - corners[:, 3])
    table = b"".join(struct.pack(">3B", round(value * 2.55), 128, 128) for value in lightness)
    ramp = bytes(range(256))
    unit = b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + unit + ramp * 4 + table + ramp * 3
    text = b"desc\0\0\0\0" + struct.pack(">I", 4) + b"ink\0" + b"\0" * 78
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    tags = [(b"desc", text), (b"cprt", b"text\0\0\0\0CC0\0"), (b"wtpt", white), (b"A2B0", lut)]
    start, index, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, value in tags:
        index += name + struct.pack(">II", start + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"\0" * 4, 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    return head + struct.pack(">3i", 63190, 65536, 54061) + b"\0" * 48 + index + body


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_ink_is_converted_by_its_profile(kind: str) -> None:
    image = Image.new("CMYK", (16, 16), (255, 255, 255, 0))
    found = decoded(encode(image, kind, icc_profile=ink_profile()))
    lightness = 80.0  # as the table says of full cyan, magenta and yellow
    light = ((lightness + 16) / 116) ** 3
    grey = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(rows(found)[4, 4], grey, atol=3)  # the table has 8 bits
    assert found.profile == "ink"


@pytest.mark.parametrize(
    "profile",
    [b"garbage", write_profile(DISPLAY_P3, 2.2)[:200], write_profile(None, 2.2), ink_profile()],
    ids=["garbage", "truncated", "of grey", "of ink"],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_a_profile_that_cannot_be_used_is_said_and_costs_nothing(kind: str, profile: bytes) -> None:
    without = decoded(encode(COLOURS, kind))
    found = decoded(encode(COLOURS, kind, icc_profile=profile))
    np.testing.assert_array_equal(found.planes, without.planes)
    assert (found.profile, found.broken_profile) == (None, True)


def test_ink_with_a_broken_profile_is_ink_without_one() -> None:
    image = Image.fromarray(pixels(SIDE, SIDE, 4), "CMYK")
    found = decoded(encode(image, "TIFF", icc_profile=b"garbage"))
    np.testing.assert_array_equal(found.planes, decoded(encode(image, "TIFF")).planes)
    assert found.broken_profile


def test_a_profile_whose_compression_is_damaged_is_said() -> None:
    packed = bytearray(zlib.compress(write_profile(DISPLAY_P3, 2.2)))
    packed[10:20] = b"\xff" * 10
    data = write_png(COLOURS.astype(int), 2, 8, before=[(b"iCCP", b"p\0\0" + bytes(packed))])
    found = decoded(data)
    np.testing.assert_array_equal(rows(found), COLOURS)
    assert found.broken_profile


def test_a_name_that_would_steer_a_terminal_is_escaped() -> None:
    found = to_srgb(write_profile(DISPLAY_P3, 2.2, "red\x1b[31m" + "x" * 100), "RGB")
    assert found is not None
    assert "\x1b" not in found.name
    assert len(found.name) <= 60
