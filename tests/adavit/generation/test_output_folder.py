from pathlib import Path

from PIL import Image

from adavit.generation.output_folder import OutputFolder
from adavit.runtime.pictures import result_png


def png(colour: int) -> bytes:
    return result_png(Image.new("L", (2, 2), colour))


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
