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


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="expected one of onnx, torchscript, program"):
        check_ending(Path("a.tflite"), "tflite")
