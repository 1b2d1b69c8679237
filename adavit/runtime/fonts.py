"""Fonts of letters in pictures."""

import functools
from collections.abc import Iterable
from pathlib import Path

from PIL import ImageFont


def caption_font(size: int, texts: Iterable[str] = ()) -> ImageFont.FreeTypeFont:
    """A font that has all letters of some texts, if there is one on this machine.

    Pillow's own one has those of English alone, and classes have names in other languages. The one that matplotlib
    brings, with which curves are written, has Latin, Greek, Cyrillic, Hebrew and Arabic letters; for others it is one
    of the machine's.

    Args:
        size: Of a letter, in pixels.
        texts: What is to be written.
    """
    return ImageFont.truetype(_file_with(frozenset("".join(texts))), size)


@functools.lru_cache
def _file_with(letters: frozenset[str]) -> Path:
    import matplotlib

    usual = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    if _has(usual, letters):
        return usual
    from matplotlib.font_manager import findSystemFonts

    # Of a family the upright one of usual weight, where its files are named as most are.
    others = sorted(
        map(Path, findSystemFonts()), key=lambda each: ("Regular" not in each.name, each)
    )
    return next((each for each in others if _has(each, letters)), usual)


def _has(file: Path, letters: Iterable[str]) -> bool:
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(str(file))
    except (OSError, RuntimeError):  # a font that is damaged, or of a kind that it cannot read
        return False
    return font.scalable and all(font.get_char_index(ord(letter)) for letter in letters)
