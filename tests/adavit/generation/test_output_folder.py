import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from adavit.generation.output_folder import OutputFolder
from adavit.runtime.pictures import result_png
from tests.references.data_files import encode, pixels


def png(colour: int) -> bytes:
    return result_png(Image.new("L", (2, 2), colour))


def huge(content: bytes) -> bytes:
    """A PNG whose header claims 400 megapixels, of which `Image.open` reads nothing."""
    header = b"IHDR" + struct.pack(">II", 20_000, 20_000) + content[24:29]
    return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]


def test_a_new_folder_has_nothing_to_tell(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "new" / "drawn")
    folder.write("a.png", b"1")
    assert folder.written == [tmp_path / "new" / "drawn" / "a.png"]
    assert folder.told() == ""


def test_what_is_replaced_and_what_stays_is_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png", "d.png"):
        (tmp_path / name).write_bytes(b"old " + name.encode())
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "grid.png").write_bytes(png(0))
    folder = OutputFolder(tmp_path)
    folder.write("a.png", b"new")
    folder.write("b.png", b"old b.png")  # the same image again
    assert folder.replaced == 1
    assert folder.told() == (f"In {tmp_path} 1 image was replaced and 2 other images stay.")
    folder.write("c.png", b"new")
    assert "2 images were replaced" in folder.told()
    assert folder.told().endswith("and 1 other image stays.")


def test_only_pictures_of_results_are_removed(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path)
    (tmp_path / "grid.png").write_bytes(png(0))
    Image.new("L", (2, 2)).save(tmp_path / "own.png")
    assert folder.remove_result("grid.png")
    assert not folder.remove_result("own.png")
    assert not folder.remove_result("absent.png")
    assert [path.name for path in tmp_path.iterdir()] == ["own.png"]


@pytest.mark.filterwarnings("error")
def test_pictures_of_any_size_are_counted_and_removed(tmp_path: Path) -> None:
    own = encode(pixels(2, 2))
    (tmp_path / "own.png").write_bytes(huge(own))
    (tmp_path / "grid.png").write_bytes(huge(png(0)))
    (tmp_path / "sheet.png").write_bytes(huge(png(0)))
    (tmp_path / "broken.png").write_bytes(own[:20])
    folder = OutputFolder(tmp_path)
    assert folder.told() == f"In {tmp_path} 2 other images stay."
    assert folder.remove_result("grid.png")
    assert not folder.remove_result("own.png")
    assert not (tmp_path / "grid.png").exists()
