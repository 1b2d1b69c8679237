import io
import zlib

import numpy as np
import pytest
from PIL import Image

from adavit.data.files.decode import decode
from adavit.data.files.formats import open_image
from adavit.data.files.png_chunks import without_ancillary_chunks
from adavit.runtime.resolution import Resolution
from tests.references.image_writers import SRGB, chunk, write_png, write_profile

SIDE = 8
SAMPLES = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3))
PLANES = SAMPLES.transpose(2, 0, 1)
LARGE = zlib.compress(b"a" * (3 << 20))
HARMFUL = {
    "long text": (b"zTXt", b"parameters\0\0" + LARGE),
    "long international text": (b"iTXt", b"parameters\0\1\0\0\0" + LARGE),
    "no language": (b"iTXt", b"parameters\0\1"),
    "unknown compression": (b"zTXt", b"parameters\0\7" + zlib.compress(b"a")),
    "a profile that unpacks to 3 MB": (b"iCCP", b"p\0\0" + LARGE),
    "short density": (b"pHYs", b"\0"),
    "short gamma": (b"gAMA", b"\0"),
}


def planes(data: bytes) -> np.ndarray:
    return decode(open_image(io.BytesIO(data)), Resolution(SIDE, SIDE)).planes[:3]


def refused_by_pillow(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).load()
    except (ValueError, SyntaxError, OSError):
        return True
    return False


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("kind", HARMFUL)
def test_what_pixels_do_not_need_never_costs_an_image(kind: str, place: str) -> None:
    chunks = [HARMFUL[kind]]
    data = write_png(SAMPLES, 2, 8, **{place: chunks})  # type: ignore[arg-type]
    np.testing.assert_array_equal(planes(data), PLANES)


def test_the_kinds_above_are_refused_by_pillow() -> None:
    refused = [refused_by_pillow(write_png(SAMPLES, 2, 8, before=[c])) for c in HARMFUL.values()]
    assert sum(refused) >= 4


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf", b"prVt"])
def test_a_wrong_checksum_of_such_a_chunk_never_costs_an_image(kind: bytes, place: str) -> None:
    data = write_png(SAMPLES, 2, 8, **{place: [(kind, b"content")]})  # type: ignore[arg-type]
    sound = chunk(kind, b"content")
    data = data.replace(sound, sound[:-1] + bytes([sound[-1] ^ 1]))
    np.testing.assert_array_equal(planes(data), PLANES)


def test_more_text_than_pillow_takes_in_all_never_costs_an_image() -> None:
    many = [(b"zTXt", b"a\0\0" + zlib.compress(b"a" * (1 << 20)))] * 70
    np.testing.assert_array_equal(planes(write_png(SAMPLES, 2, 8, before=many)), PLANES)


def test_transparency_and_orientation_outlive_a_damaged_text() -> None:
    key = SAMPLES[0, 0].astype(">u2").tobytes()
    exif = Image.Exif()
    exif[0x0112] = 3
    before = [(b"tRNS", key), (b"eXIf", exif.tobytes()[6:]), HARMFUL["long text"]]
    found = decode(
        open_image(io.BytesIO(write_png(SAMPLES, 2, 8, before=before))), Resolution(SIDE, SIDE)
    ).planes
    assert found[3, SIDE - 1, SIDE - 1] == 0
    np.testing.assert_array_equal(found[:3, 0, 0], SAMPLES[-1, -1])


def test_samples_of_16_bits_outlive_a_damaged_text() -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (SIDE, SIDE, 3))
    data = write_png(samples, 2, 16, behind=[HARMFUL["no language"]])
    expected = np.rint(samples / 257.0).transpose(2, 0, 1)
    np.testing.assert_array_equal(planes(data), expected)


def test_a_profile_that_is_left_out_is_said() -> None:
    data = write_png(SAMPLES, 2, 8, before=[HARMFUL["a profile that unpacks to 3 MB"]])
    assert decode(open_image(io.BytesIO(data)), Resolution(SIDE, SIDE)).broken_profile


def test_the_copy_holds_the_needed_chunks_in_their_order() -> None:
    profile = (b"iCCP", b"p\0\0" + zlib.compress(write_profile(SRGB, 2.2)))
    before = [(b"tEXt", b"a\0b"), profile, (b"tRNS", b"\0" * 6), (b"abCd", b"private")]
    data = write_png(SAMPLES, 2, 8, before=before, behind=[(b"tEXt", b"c\0d")])
    copy, had_profile = without_ancillary_chunks(io.BytesIO(data + b"trailing"))
    expected = write_png(SAMPLES, 2, 8, before=[(b"tRNS", b"\0" * 6)])
    assert (copy.read(), had_profile) == (expected, True)


def test_a_file_that_is_cut_off_stays_cut_off() -> None:
    data = write_png(SAMPLES, 2, 8)[:-30]
    assert without_ancillary_chunks(io.BytesIO(data))[0].read() == data
