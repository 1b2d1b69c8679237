import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.generation.sampling import image_grid
from adavit.report.gallery import build_gallery, chosen_times
from adavit.report.pictures import encoded_picture, encoded_sheet
from adavit.report.run import collect_runs
from adavit.report.seed_groups import SeedGroup, group_runs
from tests.adavit.report.synthetic import RESOLUTION, write_grid, write_run, write_samples


def decoded(uri: str) -> np.ndarray:
    assert uri.startswith("data:image/webp;base64,")
    content = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content), formats=["WEBP"]).convert("RGB"))


@pytest.mark.parametrize("resolution", [16, 32, 64])
def test_a_sheet_is_cut_into_its_tiles_without_enlargement(tmp_path: Path, resolution: int) -> None:
    import torch

    generator = torch.Generator().manual_seed(0)
    colours = torch.randint(0, 256, (64, 3, 1, 1), generator=generator, dtype=torch.uint8)
    images = colours.expand(-1, -1, resolution, resolution)
    image_grid(images).save(tmp_path / "a.png")  # as training lays it out
    picture = encoded_sheet(tmp_path / "a.png", resolution=resolution, side=512)
    assert picture is not None
    assert (picture.width, picture.height) == (8 * resolution, 8 * resolution)
    assert picture.pixelated
    shown = decoded(picture.uri)
    middles = shown[resolution // 2 :: resolution, resolution // 2 :: resolution].reshape(64, 3)
    # WebP is lossy: a flat tile keeps its colour to a few levels.
    np.testing.assert_allclose(middles, colours[:, :, 0, 0].numpy(), atol=12)


@pytest.mark.parametrize(
    ("name", "value"), [("GRID_PADDING", 5), ("SEEN_SIDE", 100), ("SEEN_SIDE", 16)]
)
def test_a_change_of_the_grids_layout_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    monkeypatch.setattr(f"adavit.generation.sampling.{name}", value)
    write_samples(tmp_path, kimg=1, count=2, seed=0)
    picture = encoded_sheet(tmp_path / "reals.png", resolution=RESOLUTION, side=512)
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (128, 128, True)
    expected = np.random.default_rng(99).integers(0, 256, (64, 3)).reshape(8, 8, 3)
    np.testing.assert_allclose(decoded(picture.uri)[8::16, 8::16], expected, atol=12)


def test_large_images_are_shown_as_fewer_tiles(tmp_path: Path) -> None:
    write_samples(tmp_path, kimg=1, count=2, seed=0, resolution=128)
    picture = encoded_sheet(tmp_path / "reals.png", resolution=128, side=512)
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (512, 512, False)
    expected = np.random.default_rng(99).integers(0, 256, (64, 3)).reshape(8, 8, 3)[:4, :4]
    np.testing.assert_allclose(decoded(picture.uri)[64::128, 64::128], expected, atol=12)


def test_a_picture_of_another_layout_is_scaled_as_a_whole(tmp_path: Path) -> None:
    Image.new("RGBA", (1000, 500), (255, 0, 0, 0)).save(tmp_path / "a.png")
    picture = encoded_sheet(tmp_path / "a.png", resolution=16, side=200)
    assert picture is not None
    assert (picture.width, picture.height, picture.pixelated) == (200, 100, False)
    assert decoded(picture.uri).max() == 0  # transparent is black, as in the metrics


def test_what_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n nonsense")
    Image.new("RGB", (9, 9)).save(tmp_path / "b.gif")
    (tmp_path / "b.gif").rename(tmp_path / "b.png")
    for name in ("a.png", "b.png", "absent.png"):
        assert encoded_picture(tmp_path / name, side=100) is None


def test_times_are_spread_evenly_and_keep_both_ends() -> None:
    assert chosen_times([5, 1, 3, 1], 9) == [1, 3, 5]
    assert chosen_times(list(range(101)), 5) == [0, 25, 50, 75, 100]


def groups_of(folder: Path) -> list[SeedGroup]:
    return group_runs(collect_runs([folder]))


def test_a_gallery_holds_every_grid_where_there_is_room(tmp_path: Path) -> None:
    gallery = build_gallery(groups_of(write_grid(tmp_path)), 4_000_000)
    assert len(gallery.runs) == 9
    assert gallery.left_out == 0
    assert [time for time, _ in gallery.runs[0]["frames"]] == [0, 10, 20, 30]
    # Runs of one seed draw alike here, and the real images are the same for all: kept once each.
    assert len(gallery.pictures) == 3 * 4 + 1


@pytest.mark.parametrize("budget", [200_000, 60_000, 1_000])
def test_a_gallery_keeps_its_budget(tmp_path: Path, budget: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(6):
        path = write_run(tmp_path / str(number), seed=number)
        for sheet in (path / "samples").iterdir():
            noise = rng.integers(0, 256, (530, 530, 3), dtype=np.uint8)
            Image.fromarray(noise).save(sheet)
    gallery = build_gallery(groups_of(tmp_path), budget)
    assert gallery.size <= budget
    assert gallery.left_out > 0
    assert bool(gallery.runs) == (budget > 1_000)
