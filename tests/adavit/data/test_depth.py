from typing import get_args

import numpy as np
import pytest

from adavit.data.depth import Depth
from adavit.data.files.decode import Decoded
from adavit.data.reading import Scale16Bit

PLANES = np.zeros((4, 2, 3), np.uint8)


def depth_of(*samples: tuple[int, int]) -> Depth:
    depth = Depth()
    depth.add(Decoded(PLANES))
    for largest, white in samples:
        depth.add(Decoded(PLANES, largest=largest, white=white))
    return depth


@pytest.mark.parametrize("scale", get_args(Scale16Bit))
def test_of_8_bits_nothing_is_said(scale: Scale16Bit) -> None:
    assert depth_of().notes(scale) == []


@pytest.mark.parametrize(("largest", "dark"), [(4095, True), (16448, True), (16449, False)])
def test_samples_that_fill_less_than_a_quarter_are_dark(largest: int, dark: bool) -> None:
    (note,) = depth_of((25, 65535), (largest, 65535)).notes("auto")
    assert note.startswith(
        f"16 bits: 2 images have more than 8 bits, samples up to {largest:,}; white is 65,535"
        " (--scale-16bit auto)."
    )
    bits = largest.bit_length()
    remedy = f"their samples fill {bits} bits. --scale-16bit set makes {2**bits - 1:,} white."
    assert note.endswith(remedy) == dark


def test_that_one_file_fills_its_bits_is_enough() -> None:
    (note,) = depth_of((4000, 4095), (4000, 65535)).notes("auto")
    assert note.endswith("white is from 4,095 to 65,535 (--scale-16bit auto).")


def test_who_asked_for_the_white_of_the_set_is_not_told_to() -> None:
    (note,) = depth_of((3, 65535)).notes("set")
    assert "dark" not in note


@pytest.mark.parametrize(
    ("inverted", "white", "are"),
    [
        ((True, True), "black is 65,535 (--scale", "These images are bright: "),
        ((True, False), "white (black in 1 of them) is 65,535", "are of little contrast: "),
    ],
)
def test_where_0_is_white_what_is_dark_is_said_of_no_image(
    inverted: tuple[bool, bool], white: str, are: str
) -> None:
    depth = Depth()
    for each in inverted:
        depth.add(Decoded(PLANES, largest=2999, white=65535, inverted=each))
    (note,) = depth.notes("auto")
    assert white in note
    assert are in note
    assert "dark" not in note
