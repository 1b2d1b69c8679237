import numpy as np
import pytest

from adavit.data.channels import (
    check_channels,
    convert_channels,
    decide_channels,
    is_coloured,
    is_transparent,
)
from adavit.errors import UserError
from tests.references.data_files import pixels


def census(*images: np.ndarray) -> dict[str, int]:
    return {
        "transparent": sum(map(is_transparent, images)),
        "coloured": sum(map(is_coloured, images)),
    }


def grey_image() -> np.ndarray:
    return np.full((4, 2, 2), 255, dtype=np.uint8)


def colour_image() -> np.ndarray:
    image = grey_image()
    image[2, 0, 1] = 254
    return image


def soft_image() -> np.ndarray:
    image = grey_image()
    image[3, 1, 1] = 254
    return image


def test_grey_only_if_all_images_are_grey() -> None:
    assert decide_channels("auto", **census(grey_image(), grey_image()))[0] == 1
    assert decide_channels("auto", **census(grey_image(), colour_image()))[0] == 3


def test_rgba_if_a_single_pixel_is_not_opaque() -> None:
    assert decide_channels("auto", **census(grey_image(), soft_image()))[0] == 4


@pytest.mark.parametrize(("channels", "count"), [("grey", 1), ("rgb", 3), ("rgba", 4)])
def test_the_setting_overrides_what_was_found(channels: str, count: int) -> None:
    found, notes = decide_channels(channels, **census(colour_image(), soft_image()))  # type: ignore[arg-type]
    assert found == count
    assert any("Transparency is lost: 1 images are put on black" in note for note in notes) == (
        count < 4
    )
    assert any("Colour is lost: 1 images" in note for note in notes) == (count == 1)


def test_unknown_channels_are_refused() -> None:
    with pytest.raises(
        UserError, match=r"data\.channels is 'gray', but must be one of auto, grey, rgb, rgba\. Use"
    ):
        check_channels("gray")


def test_four_channels_stay_as_they_are() -> None:
    images = pixels(3, 4, 5, 5)
    np.testing.assert_array_equal(convert_channels(images, 4), images)


def test_three_channels_are_put_on_black_rounded_to_nearest() -> None:
    images = pixels(3, 4, 5, 5)
    before = images.copy()
    expected = np.rint(images[:, :3] * (images[:, 3:] / 255.0))
    np.testing.assert_array_equal(convert_channels(images, 3), expected)
    np.testing.assert_array_equal(images, before)


def test_composition_on_black_is_right_for_all_pairs_of_bytes() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    images = np.stack([colour, colour, colour, alpha])[None].astype(np.uint8)
    # colour * alpha / 255 never lies between two integers, because 255 is odd.
    expected = np.floor(colour * alpha / 255.0 + 0.5)
    np.testing.assert_array_equal(convert_channels(images, 3)[0, 0], expected)


def test_opaque_pixels_keep_their_exact_values() -> None:
    images = pixels(3, 4, 5, 5)
    images[:, 3] = 255
    np.testing.assert_array_equal(convert_channels(images, 3), images[:, :3])


def test_grey_keeps_grey_exactly_and_weighs_colours_by_luma() -> None:
    ramp = np.broadcast_to(
        np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16), (1, 4, 16, 16)
    ).copy()
    ramp[:, 3] = 255
    np.testing.assert_array_equal(convert_channels(ramp, 1)[0, 0].ravel(), np.arange(256))
    images = pixels(3, 4, 5, 5)
    images[:, 3] = 255
    weights = np.array([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)
    expected = (images[:, :3] * weights).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(convert_channels(images, 1), expected, atol=0.51)
