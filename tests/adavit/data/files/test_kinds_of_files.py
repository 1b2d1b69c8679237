"""Every colour type and depth of PNG, TIFF and JPEG that is read, against values known without Pillow."""

import io
import itertools
import struct

import numpy as np
import pytest
import torch
import torchvision.io
from PIL import Image

from adavit.data.files.decode import decode
from adavit.data.files.formats import Unreadable, open_image
from adavit.runtime.resolution import Resolution
from tests.references.data_files import encode
from tests.references.image_writers import PNG_CHANNELS, to_eight_bits, write_png, write_tiff

# torchvision's readers are to move to another package one day.
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding:DeprecationWarning")

SIDE = 11
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour_type, bits) for colour_type, depths in DEPTHS.items() for bits in depths]


def decoded(data: bytes) -> np.ndarray:
    return decode(open_image(io.BytesIO(data)), Resolution(SIDE, SIDE)).planes


def samples_of(bits: int, channels: int) -> np.ndarray:
    """Random samples with black, white and the neighbours of both among them, int [SIDE, SIDE, channels]."""
    samples = np.random.default_rng(bits * 10 + channels).integers(
        0, 2**bits, (SIDE, SIDE, channels)
    )
    edges = [0, 2**bits - 1, 1, 2**bits - 2]
    samples[0, :4] = np.array(edges)[:, None]
    return samples


def as_planes(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 1 or 3] and [H, W] -> [4, H, W], black where nothing is seen."""
    planes = np.concatenate([np.broadcast_to(colour, (*alpha.shape, 3)), alpha[..., None]], axis=2)
    planes = np.where(planes[..., 3:] == 0, 0, planes)
    return planes.transpose(2, 0, 1)


def expected_png(
    samples: np.ndarray, colour_type: int, bits: int, key: np.ndarray | None
) -> np.ndarray:
    values = to_eight_bits(samples, bits)
    opaque = np.full(samples.shape[:2], 255, dtype=np.uint8)
    if colour_type in (4, 6):
        return as_planes(values[..., :-1], values[..., -1])
    hidden = False if key is None else (samples == key).all(axis=-1)
    return as_planes(values, np.where(hidden, 0, opaque).astype(np.uint8))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colour_type", "bits"), [kind for kind in KINDS if kind[0] != 3])
def test_png_keeps_its_values(colour_type: int, bits: int, interlaced: bool) -> None:
    samples = samples_of(bits, PNG_CHANNELS[colour_type])
    data = write_png(samples, colour_type, bits, interlaced=interlaced)
    np.testing.assert_array_equal(decoded(data), expected_png(samples, colour_type, bits, None))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(
    ("colour_type", "bits", "place"),
    [(*kind, place) for kind in KINDS if kind[0] in (0, 2) for place in ((0, 0), (0, 1), (5, 7))],
)
def test_the_transparent_value_of_a_png_is_compared_in_full_depth(
    colour_type: int, bits: int, place: tuple[int, int], interlaced: bool
) -> None:
    samples = samples_of(bits, PNG_CHANNELS[colour_type])
    key = samples[place]
    if bits == 16:  # another pixel that differs in the lower byte only is seen
        samples[8, 8] = key ^ 1
    transparent = (b"tRNS", struct.pack(f">{len(key)}H", *key))
    data = write_png(samples, colour_type, bits, interlaced=interlaced, before=[transparent])
    found = decoded(data)
    assert (found[3] == 0).any()
    np.testing.assert_array_equal(found, expected_png(samples, colour_type, bits, key))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("alphas", [None, (0,), (255, 0), (0, 128, 255)])
@pytest.mark.parametrize("bits", DEPTHS[3])
def test_a_palette_of_a_png_gives_its_colours_and_alphas(
    bits: int, alphas: tuple[int, ...] | None, interlaced: bool
) -> None:
    samples = samples_of(bits, 1)
    palette = np.random.default_rng(1).integers(0, 256, (2**bits, 3), dtype=np.uint8)
    alpha = np.full(2**bits, 255, dtype=np.uint8)
    before = [(b"PLTE", palette.tobytes())]
    if alphas is not None:
        known = np.array(alphas[: 2**bits], dtype=np.uint8)
        alpha[: len(known)] = known
        before.append((b"tRNS", known.tobytes()))
    data = write_png(samples, 3, bits, interlaced=interlaced, before=before)
    expected = as_planes(palette[samples[..., 0]], alpha[samples[..., 0]])
    np.testing.assert_array_equal(decoded(data), expected)


def test_significant_bits_of_a_png_count_from_the_top_and_change_nothing() -> None:
    samples = samples_of(12, 1) << 4 | samples_of(12, 1) >> 8  # widened as the specification says
    data = write_png(samples, 0, 16, before=[(b"sBIT", b"\x0c")])
    np.testing.assert_array_equal(decoded(data), expected_png(samples, 0, 16, None))


@pytest.mark.parametrize("colour_type", [0, 2, 4, 6])
def test_torchvision_reads_the_same_png_of_8_bits(colour_type: int) -> None:
    samples = samples_of(8, PNG_CHANNELS[colour_type])
    if colour_type in (4, 6):
        samples[..., -1] |= 1
    data = write_png(samples, colour_type, 8)
    read = torchvision.io.decode_png(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB_ALPHA
    )
    np.testing.assert_array_equal(decoded(data), read.numpy())


GREY, RGB, CMYK = 1, 2, 5
TIFFS = [
    *((0, bits, 1) for bits in (1, 2, 4, 8, 16)),
    *((GREY, bits, 1) for bits in (1, 2, 4, 8, 12, 16)),
    *((RGB, bits, 3) for bits in (8, 16)),
]


@pytest.mark.parametrize("deflated", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize(("photometric", "bits", "channels"), TIFFS)
def test_tiff_keeps_its_values(
    photometric: int, bits: int, channels: int, big_endian: bool, deflated: bool
) -> None:
    samples = samples_of(bits, channels)
    data = write_tiff(samples, photometric, bits, big_endian=big_endian, deflated=deflated)
    values = to_eight_bits(samples, bits)
    values = 255 - values if photometric == 0 else values
    opaque = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    if big_endian and (photometric, bits) in {(0, 16), (GREY, 12)}:
        # Pillow has no such kind: said, not wrong.
        with pytest.raises(Unreadable, match="a kind that is not read"):
            decoded(data)
        return
    np.testing.assert_array_equal(decoded(data), as_planes(values, opaque))


@pytest.mark.parametrize(("big_endian", "deflated"), [*itertools.product([False, True], repeat=2)])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_keeps_the_values_of_channels_in_planes_of_their_own(
    bits: int, big_endian: bool, deflated: bool
) -> None:
    samples = samples_of(bits, 3)
    data = write_tiff(samples, RGB, bits, big_endian=big_endian, deflated=deflated, planar=True)
    values = to_eight_bits(samples, bits)
    if bits == 16 and deflated:  # the one kind of which Pillow gives the upper bytes only
        values = (samples >> 8).astype(np.uint8)
    opaque = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    np.testing.assert_array_equal(decoded(data), as_planes(values, opaque))


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_tiff_keeps_its_alpha(bits: int, big_endian: bool) -> None:
    samples = samples_of(bits, 4)
    data = write_tiff(samples, RGB, bits, big_endian=big_endian, tags={338: [2]})
    values = to_eight_bits(samples, bits)
    np.testing.assert_array_equal(decoded(data), as_planes(values[..., :3], values[..., 3]))


@pytest.mark.parametrize("bits", [4, 8])
def test_a_palette_of_a_tiff_gives_its_colours(bits: int) -> None:
    samples = samples_of(bits, 1)
    palette = np.random.default_rng(2).integers(0, 256, (2**bits, 3))
    data = write_tiff(samples, 3, bits, tags={320: (palette.T * 257).reshape(-1).tolist()})
    opaque = np.full((SIDE, SIDE), 255, dtype=np.uint8)
    np.testing.assert_array_equal(decoded(data), as_planes(palette[samples[..., 0]], opaque))


def test_ink_of_a_tiff_without_a_profile_is_subtracted_from_white() -> None:
    ink = samples_of(8, 4)
    expected = np.rint((255 - ink[..., :3]) * (255 - ink[..., 3:]) / 255.0).transpose(2, 0, 1)
    found = decoded(write_tiff(ink, CMYK, 8))
    np.testing.assert_allclose(found[:3], expected, atol=1)  # Pillow rounds in integers


def smooth(mode: str) -> Image.Image:
    grid = np.stack(np.meshgrid(np.linspace(0, 255, 64), np.linspace(255, 0, 64)), axis=-1)
    colour = np.concatenate([grid, grid.mean(axis=-1, keepdims=True)], axis=-1)
    return Image.fromarray(colour.astype(np.uint8)).convert(mode)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_torchvision_reads_the_same_jpeg(mode: str, options: dict[str, object]) -> None:
    data = encode(smooth(mode), "JPEG", quality=90, **options)
    read = torchvision.io.decode_jpeg(
        torch.frombuffer(bytearray(data), dtype=torch.uint8), torchvision.io.ImageReadMode.RGB
    ).numpy()
    found = decode(open_image(io.BytesIO(data)), Resolution(64, 64)).planes
    # Two libraries, two inverse transforms; both formulas for ink round.
    np.testing.assert_allclose(found[:3].astype(int), read.astype(int), atol=3)
    assert (found[3] == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_torchvision_turns_the_same_jpeg_in_the_same_way(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(smooth("RGB"), "JPEG", quality=90, exif=exif)
    read = torchvision.io.decode_jpeg(
        torch.frombuffer(bytearray(data), dtype=torch.uint8),
        torchvision.io.ImageReadMode.RGB,
        apply_exif_orientation=True,
    ).numpy()
    found = decode(open_image(io.BytesIO(data)), Resolution(64, 64)).planes
    np.testing.assert_allclose(found[:3].astype(int), read.astype(int), atol=3)
