import io
import json

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from adavit.runtime.drawn_images import (
    KEYWORD,
    MOST_NETWORKS,
    drawn_png,
    what_its_discriminator_saw,
)

SEEN = (f"torchvision:resnet18 {'01' * 32}", f"stylegan2:ffhq_été.pkl {'ab' * 32}")
PIXELS = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)


def opened(text: str | None) -> Image.Image:
    said, buffer = PngInfo(), io.BytesIO()
    if text is not None:
        said.add_text(KEYWORD, text)
    Image.fromarray(PIXELS).save(buffer, format="PNG", pnginfo=said)
    return Image.open(buffer)


@pytest.mark.parametrize("seen", [(), SEEN[:1], SEEN])
def test_a_file_says_what_it_was_written_with_and_keeps_its_pixels(seen: tuple[str, ...]) -> None:
    image = Image.open(io.BytesIO(drawn_png(Image.fromarray(PIXELS), seen)))
    assert what_its_discriminator_saw(image) == seen
    np.testing.assert_array_equal(np.array(image), PIXELS)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "none",
        json.dumps(SEEN[0]),
        json.dumps({"a": SEEN[0]}),
        json.dumps([SEEN[0], 7]),
        json.dumps(["torchvision:resnet18"]),
        json.dumps([f"torchvision:resnet18 {'01' * 31}"]),
        json.dumps([f"torchvision:resnet18 {'XY' * 32}"]),
        json.dumps([f"two words {'01' * 32}"]),
        json.dumps([f"{'n' * 201} {'01' * 32}"]),
        json.dumps([f"\x1b[31mred {'01' * 32}"]),
        json.dumps([SEEN[0] + "\n"]),
        json.dumps([SEEN[0]] * (MOST_NETWORKS + 1)),
        "[" * 20_000,
        "[" + " " * 100_000 + "]",
    ],
)
def test_whatever_else_a_file_says_is_nothing(text: str | None) -> None:
    assert what_its_discriminator_saw(opened(text)) is None
