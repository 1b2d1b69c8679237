import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.generation.grid import image_grid
from adavit.report.pictures import encoded_picture, encoded_sheet
from adavit.runtime.resolution import Resolution
from tests.adavit.report.synthetic import RESOLUTION, write_samples


def decoded(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/webp;base64,")
    content = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content), formats=["WEBP"]).convert("RGB"))


@pytest.mark.parametrize("shape", [(16, 16), (32, 32), (64, 64), (24, 40), (48, 32)])
def test_a_sheet_is_cut_into_its_tiles_without_enlargement(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (64, 3, 1, 1), generator=generator, dtype=torch.uint8)
    height, width = resolution = Resolution(*shape)
    images = colours.expand(-1, -1, height, width)
    image_grid(images).save(tmp_path / "a.png")  # as training lays it out
    picture = encoded_sheet(tmp_path / "a.png", resolution=resolution, side=512)
    assert picture is not None
    assert (picture.width, picture.height) == (8 * width, 8 * height)
    assert picture.pixelated
    shown = decoded(picture.uri)
    middles = shown[height // 2 :: height, width // 2 :: width].reshape(64, 3)
    # WebP is lossy: a flat tile keeps its colour to a few levels.
    np.testing.assert_allclose(middles, colours[:, :, 0, 0].numpy(), atol=12)


@pytest.mark.parametrize(
    ("name", "value"), [("GRID_PADDING", 5), ("SEEN_SIDE", 100), ("SEEN_SIDE", 16)]
)
def test_a_change_of_the_grids_layout_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(f"adavit.generation.grid.{name}", value)
    write_samples(tmp_path, kimg=1, count=2, seed=0)
    picture = encoded_sheet(
        tmp_path / "reals.png", resolution=Resolution(RESOLUTION, RESOLUTION), side=512
    )
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (128, 128, True)
    expected = np.random.default_rng(99).integers(0, 256, (64, 3)).reshape(8, 8, 3)
    np.testing.assert_allclose(decoded(picture.uri)[8::16, 8::16], expected, atol=12)


def test_large_images_are_shown_as_fewer_tiles(tmp_path: Path) -> None:
    write_samples(tmp_path, kimg=1, count=2, seed=0, resolution=128)
    picture = encoded_sheet(tmp_path / "reals.png", resolution=Resolution(128, 128), side=512)
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (512, 512, False)
    expected = np.random.default_rng(99).integers(0, 256, (64, 3)).reshape(8, 8, 3)[:4, :4]
    np.testing.assert_allclose(decoded(picture.uri)[64::128, 64::128], expected, atol=12)


def test_a_picture_of_another_layout_is_scaled_as_a_whole(tmp_path: Path) -> None:
    Image.new("RGBA", (1000, 500), (0, 0, 0, 0)).save(tmp_path / "a.png")
    picture = encoded_sheet(tmp_path / "a.png", resolution=Resolution(16, 16), side=200)
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (200, 100, False)
    assert decoded(picture.uri).min() > 180  # what is transparent stands on pale squares


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.gif")
    (tmp_path / "b.gif").rename(tmp_path / "b.png")
    for name in ("a.png", "b.png", "absent.png"):
        assert encoded_picture(tmp_path / name, side=100) is None
