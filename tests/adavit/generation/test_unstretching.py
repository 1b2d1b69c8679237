"""Images get back the shape that they had before they were stretched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from adavit.errors import UserError
from adavit.generation.unstretching import Unstretching
from tests.stored_generators import stored_generator

LANCZOS = Image.Resampling.LANCZOS


def resized(plane: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(plane.astype(np.float32)).resize((width, height), LANCZOS))


@pytest.mark.parametrize(
    ("factor", "size"),
    [(1.5, (24, 60)), (0.5, (48, 40)), (2 / 3, (36, 40)), (1.01, (24, 40))],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_one_side_grows_as_pillow_would_resize_it(
    factor: float, size: tuple[int, int], channels: int
) -> None:
    drawn = torch.randint(256, (channels, 24, 40), dtype=torch.uint8)
    kept = drawn.clone()
    found = Unstretching(factor)(drawn)
    assert (found.dtype, found.shape) == (torch.uint8, (channels, *size))
    for plane, result in zip(drawn.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(
            result, resized(plane, size[1], size[0]).clip(0, 255), atol=0.501
        )
    assert torch.equal(drawn, kept)


def test_colour_under_no_alpha_does_not_bleed() -> None:
    drawn = torch.zeros(4, 8, 8, dtype=torch.uint8)
    drawn[0], drawn[3, :, :4] = 255, 255  # red, and opaque at the left alone
    drawn[1, :, 4:] = 255  # what is not seen is yellow
    red, green, _, alpha = Unstretching(2.0)(drawn).numpy()
    assert red.shape == (8, 16)
    assert set(red[alpha > 0]) == {255}
    assert not green.any()
    plane = np.tile(np.repeat([1.0, 0.0], 4), (8, 1))
    np.testing.assert_allclose(alpha, (255 * resized(plane, 16, 8)).clip(0, 255), atol=0.501)


def test_it_needs_images_that_were_stretched(tmp_path: Path) -> None:
    plain = stored_generator(tmp_path)
    with pytest.raises(UserError, match=r"were not stretched, expected a run of .* --fit stretch"):
        Unstretching.of(plain)
    assert Unstretching.of(stored_generator(tmp_path, stretch=1.25)) == Unstretching(1.25)
