import csv
import io
from pathlib import Path

import numpy as np
import pytest

from adavit.curation.cuts import Boxes, Centre, Cut, Tiles, Trim
from adavit.errors import UserError

IMAGE = np.arange(4 * 30 * 50).reshape(4, 30, 50).astype(np.uint8)


def parts(cut: Cut, name: str = "a.png") -> dict[str, np.ndarray]:
    return dict(cut.parts(name, IMAGE))


def test_tiles_lie_side_by_side_in_the_middle() -> None:
    found = parts(Tiles(12))
    assert list(found)[:2] == ["_y00003_x00001", "_y00003_x00013"]
    assert len(found) == 2 * 4
    np.testing.assert_array_equal(found["_y00015_x00025"], IMAGE[:, 15:27, 25:37])
    assert parts(Tiles(31)) == {}


def test_the_centre_is_the_square_that_training_takes() -> None:
    np.testing.assert_array_equal(parts(Centre())[""], IMAGE[:, :, 10:40])


def test_frames_are_trimmed_and_other_images_stay_whole() -> None:
    np.testing.assert_array_equal(parts(Trim())[""], IMAGE)
    framed = np.full((4, 36, 50), 255, np.uint8)
    framed[:3] = 255
    framed[:, 3:33] = IMAGE
    framed[3] = 255
    framed[:3, 3:33] //= 2
    (part,) = dict(Trim().parts("a.png", framed)).values()
    np.testing.assert_array_equal(part, framed[:, 3:33])


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    return path


def test_boxes_are_cut_by_file(tmp_path: Path) -> None:
    text = "\ufeffleft,top,file,width,height,score\n1,2,a.png,5,4,.9\n0,0,a.png,50,30,.8\n3,3,b.png,1,1,1\n"
    boxes = Boxes.read(written(tmp_path, text))
    found = parts(boxes)
    assert list(found) == ["_00", "_01"]
    np.testing.assert_array_equal(found["_00"], IMAGE[:, 2:6, 1:6])
    assert list(parts(boxes, "b.png")) == [""]
    assert parts(boxes, "c.png") == {}
    boxes.check(["a.png", "b.png"])
    with pytest.raises(UserError, match=r"does not have \(b.png\), expected paths .* 'a.png'"):
        boxes.check(["a.png"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,x,y,w,h\na.png,1,2,3,4\n", "without left, top, width, height, expected"),
        ("", "the columns of nothing"),
        ("file,left,top,width,height\n", "has no box, expected a row for each"),
        ("file,left,top,width,height\na.png,1,2,3\n", "'1,2,3,None' in line 2, expected four"),
        ("file,left,top,width,height\na.png,1,2,3.5,4\n", "expected four whole numbers"),
        ("file,left,top,width,height\na.png,1,2,0,4\n", "a box of 0x4 px in line 2"),
    ],
)
def test_a_file_that_holds_no_boxes_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Boxes.read(written(tmp_path, text))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_are_read_as_csv_writes_them(tmp_path: Path, end: str) -> None:
    names = ["a\nb.png", "a\u2028b.png", "a\x85b.png", "a\x0cb.png", "a,b.png", 'a"b.png']
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows(
        [["file", "left", "top", "width", "height"], *([n, 1, 2, 3, 4] for n in names)]
    )
    (tmp_path / "boxes.csv").write_bytes(stream.getvalue().encode())
    assert Boxes.read(tmp_path / "boxes.csv").of_file == {name: [(1, 2, 3, 4)] for name in names}


def test_boxes_find_their_file_whichever_way_its_name_is_written(tmp_path: Path) -> None:
    text = "file,left,top,width,height\n./caf\u00e9/a.png,1,2,3,4\ncaf\u00e9\\b.png,5,6,7,8\n"
    boxes = Boxes.read(written(tmp_path, text))
    first, second = "cafe\u0301/a.png", "cafe\u0301/b.png"
    boxes.check([first, second])
    np.testing.assert_array_equal(parts(boxes, first)[""], IMAGE[:, 2:6, 1:4])
    np.testing.assert_array_equal(parts(boxes, second)[""], IMAGE[:, 6:14, 5:12])


@pytest.mark.parametrize("rows", [3, 10_000])
def test_a_quotation_mark_without_its_second_is_told_with_its_line(
    tmp_path: Path, rows: int
) -> None:
    lines = [
        "file,left,top,width,height",
        "a.png,0,0,8,8",
        '"b.png,0,0,8,8',
        *["c.png,0,0,8,8"] * rows,
    ]
    with pytest.raises(
        UserError, match=r"cannot be read from line 3 on \(.* See whether a quotation"
    ):
        Boxes.read(written(tmp_path, "\n".join(lines)))
    with pytest.raises(UserError, match=r"cannot be read from line 1 on \("):
        Boxes.read(written(tmp_path, '"' + "\n".join(lines[:2] * rows)))


def test_a_file_that_cannot_be_read_and_a_box_outside_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        Boxes.read(tmp_path / "none.csv")
    boxes = Boxes.read(written(tmp_path, "file,left,top,width,height\na.png,40,0,11,5\n"))
    with pytest.raises(UserError, match=r"40,0,11,5 of 'a.png', which has 50x30 px"):
        parts(boxes)
