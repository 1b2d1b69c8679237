import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adavit.curation.file_facts import FileFacts, jpeg_quality, read_facts
from adavit.data.assemble import decoding_threads
from adavit.data.files.collection import open_files
from adavit.data.files.decode import decode
from adavit.data.files.formats import open_image
from adavit.runtime.resolution import Resolution
from tests.adavit.curation.conftest import textured
from tests.references.image_writers import write_png


@pytest.mark.parametrize("quality", [1, 5, 20, 30, 49, 50, 75, 90, 95])
def test_the_quality_of_a_jpeg_is_the_one_it_was_saved_with(quality: int) -> None:
    buffer = io.BytesIO()
    Image.fromarray(textured(0)).save(buffer, format="JPEG", quality=quality)
    buffer.seek(0)
    found = jpeg_quality(open_image(buffer))
    assert found is not None
    # At 1 and 2 nearly all of the table is at its largest value.
    assert abs(found - quality) <= (1 if quality < 3 else 0)


def test_other_formats_have_no_quality() -> None:
    buffer = io.BytesIO()
    Image.fromarray(textured(0)).save(buffer, format="PNG")
    buffer.seek(0)
    assert jpeg_quality(open_image(buffer)) is None


def test_headers_say_format_mode_and_size_and_broken_files_say_nothing(tmp_path: Path) -> None:
    Image.fromarray(textured(0, 20, 50)).save(tmp_path / "long.png")
    Image.fromarray(textured(1)).convert("L").save(tmp_path / "really.jpg", format="PNG")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    with open_files(tmp_path, "set") as collection, decoding_threads() as threads:
        facts = read_facts(collection.images(), threads)
    assert [(each.name, each.format, each.mode, each.size) for each in facts] == [
        ("long.png", "PNG", "RGB", (50, 20)),
        ("really.jpg", "PNG", "L", (40, 40)),
    ]
    square = Resolution(32, 32)
    assert "50x20" in facts[0].suspicion(square)
    assert "is a PNG" in facts[1].suspicion(square)
    assert FileFacts("a.JPG", "JPEG", "RGB", (30, 20), False, 90).suspicion(square) == ""


def test_a_profile_counts_also_where_it_is_not_read_with_its_file(tmp_path: Path) -> None:
    image = Image.fromarray(textured(0))
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", icc_profile=b"profile")
    text = PngInfo()
    text.add_text("parameters", "a" * (3 << 20), zip=True)  # more than Pillow takes
    image.save(tmp_path / "c.png", icc_profile=b"profile", pnginfo=text)
    with open_files(tmp_path, "set") as collection, decoding_threads() as threads:
        facts = read_facts(collection.images(), threads)
    assert [each.has_profile for each in facts] == [False, True, True]


def test_a_profile_that_cannot_be_unpacked_is_carried_too(tmp_path: Path) -> None:
    samples = np.full((8, 8, 3), 90)
    broken = (b"iCCP", b"name\0\0not packed by zlib")
    (tmp_path / "a.png").write_bytes(write_png(samples, 2, 8, before=[broken]))
    (tmp_path / "b.png").write_bytes(write_png(samples, 2, 8))
    with open_files(tmp_path, "set") as collection, decoding_threads() as threads:
        facts = read_facts(collection.images(), threads)
        with collection.images()[0].open() as opened:
            assert decode(opened, Resolution(8, 8)).broken_profile
    assert [each.has_profile for each in facts] == [True, False]


@pytest.mark.parametrize(
    ("kind", "suffixes"),
    [("HEIF", "heic heics heif heifs hif HIF"), ("MPO", "jpg jpeg jpe jfif mpo MPO")],
)
def test_all_suffixes_of_a_format_are_its_own(kind: str, suffixes: str) -> None:
    for suffix in suffixes.split():
        facts = FileFacts(f"a.{suffix}", kind, "RGB", (32, 32), False, None)
        assert facts.suspicion(Resolution(32, 32)) == "", suffix


def test_a_long_image_is_suspicious_where_the_crop_takes_half_of_it_and_turned_as_it_is_seen(
    tmp_path: Path,
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # by a quarter
    Image.fromarray(textured(0, 32, 80)).save(tmp_path / "lying.png")
    Image.fromarray(textured(1, 32, 80)).save(tmp_path / "standing.jpg", exif=turned)
    with open_files(tmp_path, "set") as collection, decoding_threads() as threads:
        lying, standing = read_facts(collection.images(), threads)
    assert (lying.size, standing.size) == ((80, 32), (32, 80))
    wide, high = Resolution(24, 56), Resolution(56, 24)
    assert (lying.suspicion(wide), standing.suspicion(high)) == ("", "")
    assert "80x32 px, of which a crop to the shape of 56x24 leaves half" in lying.suspicion(high)
    assert "32x80" in standing.suspicion(wide)
