from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.publishing.format_names import ENDINGS, check_ending
from adavit.publishing.formats import FORMATS


def test_every_format_has_an_ending_of_its_own() -> None:
    assert list(ENDINGS) == list(FORMATS)
    assert len(set(ENDINGS.values())) == len(ENDINGS)
    for name, ending in ENDINGS.items():
        check_ending(Path(f"a{ending}"), name)


def test_the_ending_of_another_format_is_refused_with_both_remedies() -> None:
    with pytest.raises(UserError, match=r"Write --out b/a\.onnx, or give --to program\."):
        check_ending(Path("b/a.pt2"), "onnx")
    with pytest.raises(UserError, match=r"Write --out a\.pt2\.$"):
        check_ending(Path("a"), "program")


@pytest.mark.parametrize(
    ("folder", "named"),
    [(".", r"generator\.onnx"), ("/", r"/generator\.onnx"), ("..", r"\.\./generator\.onnx")],
)
def test_a_folder_in_place_of_a_file_is_refused_with_a_name_in_it(folder: str, named: str) -> None:
    with pytest.raises(UserError, match=rf"Write --out {named}\.$"):
        check_ending(Path(folder), "onnx")


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="expected one of onnx, torchscript, program"):
        check_ending(Path("a.tflite"), "tflite")
