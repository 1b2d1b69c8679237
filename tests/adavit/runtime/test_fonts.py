from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from adavit.runtime.fonts import caption_font


def drawn(text: str, letter: str) -> bytes:
    """A letter as a caption with this text has it."""
    mask = caption_font(10, [text]).getmask(letter)
    return np.asarray(mask).tobytes() + bytes(mask.size)


@pytest.mark.parametrize("letters", ["äöüßéèçñøåłžğşµ€–", "Ωλ", "Жёлтый", "חתול", "قطة"])
def test_captions_show_the_letters_of_other_languages(letters: str) -> None:
    missing = drawn("", "\ue123")  # of no language: what a font draws in place of a letter it lacks
    assert [letter for letter in letters if drawn("", letter) == missing] == []


def build_font(file: Path, letters: str) -> None:
    """A font in which each letter is a square."""
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 800), (900, 800), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    font = FontBuilder(1000)
    font.setupGlyphOrder([".notdef", "square"])
    font.setupCharacterMap({ord(letter): "square" for letter in letters})
    font.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    font.setupHorizontalMetrics({".notdef": (1000, 0), "square": (1000, 100)})
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": file.stem, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(file)


def test_letters_that_the_usual_font_lacks_come_from_one_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-Regular.ttf").write_bytes(b"no font")
    build_font(tmp_path / "b-Regular.ttf", "猫")
    build_font(tmp_path / "c-Bold.ttf", "a猫犬")
    build_font(tmp_path / "d-Regular.ttf", "a猫犬")
    fonts = [str(file) for file in sorted(tmp_path.iterdir())]
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: fonts)
    usual = caption_font(10).path
    assert caption_font(10, ["cat", "кошка"]).path == usual
    assert Path(caption_font(10, ["猫\U000f1234"]).path) == Path(usual)  # a letter that none has
    assert Path(caption_font(10, ["猫", "a犬"]).path).name == "d-Regular.ttf"
    assert drawn("猫犬a", "猫") == drawn("猫犬a", "a") != drawn("", "a")
