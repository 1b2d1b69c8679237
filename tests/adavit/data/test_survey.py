import numpy as np
import pytest

from adavit.data.files.decode import Decoded
from adavit.data.reading import Reading
from adavit.data.survey import Survey, describe_pixels


def planes(level: int, alpha: int = 255) -> np.ndarray:
    image = np.full((4, 8, 8), level, dtype=np.uint8)
    image[3] = alpha
    return image


def survey_of(*images: Decoded) -> Survey:
    survey = Survey()
    for index, image in enumerate(images):
        survey.add(index, f"{index}.png", (8, 8), image)
    return survey


def test_an_ordinary_set_needs_no_words() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    assert describe_pixels(survey_of(Decoded(ramp)), Reading()) == []


@pytest.mark.parametrize(
    ("level", "words"),
    [(0, "at most 0"), (63, "at most 63"), (64, None), (191, None), (192, "at least 192")],
)
def test_a_set_of_little_contrast_at_either_end_is_said(level: int, words: str | None) -> None:
    notes = describe_pixels(survey_of(Decoded(planes(level)), Decoded(planes(level))), Reading())
    assert (words is None) == (notes == [])
    assert words is None or f"{words} of 255" in notes[0]


def test_one_bright_image_among_many_pixels_is_enough() -> None:
    dark = [Decoded(planes(3))] * 99
    assert describe_pixels(survey_of(*dark, Decoded(planes(200))), Reading()) == []
    hot = planes(3)
    hot[0, 0, 0] = 255  # one value of 19,200 is a hot pixel
    assert "dark" in describe_pixels(survey_of(*dark, Decoded(hot)), Reading())[0]


def test_what_nobody_sees_does_not_count() -> None:
    survey = survey_of(Decoded(planes(0, alpha=0)), Decoded(planes(250)))
    assert "at least 250 of 255" in describe_pixels(survey, Reading())[0]
    assert describe_pixels(survey_of(Decoded(planes(0, alpha=0))), Reading()) == []


def test_images_of_12_bits_that_say_so_are_not_dark() -> None:
    image = Decoded(planes(128), largest=4095, white=4095)
    (note,) = describe_pixels(survey_of(image), Reading())
    assert note == (
        "16 bits: 1 image has more than 8 bits, samples up to 4,095; white is 4,095"
        " (--scale-16bit auto)."
    )


def test_profiles_are_listed_by_number() -> None:
    images = [Decoded(planes(128), profile=name) for name in "aabbbcdefg"]
    notes = describe_pixels(survey_of(*images), Reading())
    assert notes == [
        "Colours: 10 images are converted to sRGB from b (3), a (2), c (1), d (1), e (1), others."
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([None, None], None),
        ([(), ()], ()),
        ([(), None], None),
        ([("a 1",), (), ("b 2", "a 1")], ("a 1", "b 2")),
        ([None, ("a 1",)], ("a 1",)),
    ],
)
def test_what_one_image_says_of_its_discriminator_goes_for_all_but_none_only_if_all_say_so(
    said: list[tuple[str, ...] | None], expected: tuple[str, ...] | None
) -> None:
    images = (Decoded(planes(99), discriminator_saw=each) for each in said)
    assert survey_of(*images).discriminator_saw == expected
