"""The film of the sample grids."""

from pathlib import Path

import pytest
from PIL import Image

from adavit.runs.directory import RunDirectory
from adavit.runtime.pictures import CAPTION_HEIGHT, is_result
from adavit.training import film
from adavit.training.film import draw_film


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path)
    directory.samples.mkdir()
    return directory


def write_grid(directory: RunDirectory, images: int, shade: int, size: tuple[int, int]) -> Path:
    path = directory.sample_grid(images, decimals=False)
    Image.new("RGB", size, (shade, 0, 0)).save(path)
    return path


def reds(directory: RunDirectory) -> list[int]:
    found = []
    with Image.open(directory.film) as opened:
        for index in range(opened.n_frames):
            opened.seek(index)
            found.append(opened.convert("RGB").getpixel((1, 1))[0])
    return found


def test_the_grids_are_shown_in_the_order_of_training(directory: RunDirectory) -> None:
    for images, shade in ((100_000, 200), (2000, 60), (0, 10)):  # 100 is no word before 2
        write_grid(directory, images, shade, (40, 30))
    draw_film(directory)
    assert reds(directory) == [10, 60, 200]
    with Image.open(directory.film) as opened:
        assert opened.size == (40, 30 + CAPTION_HEIGHT)
        assert is_result(opened)
        below = opened.convert("RGB").crop((0, 30, 40, 30 + CAPTION_HEIGHT))
        assert below.getextrema()[1][1] == 255  # the images seen, in white


def test_a_long_run_shows_its_first_and_last_grid(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "MOST_FRAMES", 4)
    for index in range(13):
        write_grid(directory, 1000 * index, 20 * index, (16, 16))
    draw_film(directory)
    assert reds(directory) == [0, 80, 160, 240]


def test_large_grids_are_made_smaller(directory: RunDirectory) -> None:
    for images in (0, 1000):
        write_grid(directory, images, images // 5, (1200, 900))
    draw_film(directory)
    with Image.open(directory.film) as opened:
        assert opened.size == (600, 450 + CAPTION_HEIGHT)


def test_what_is_damaged_or_of_another_size_is_left_out(directory: RunDirectory) -> None:
    write_grid(directory, 0, 10, (40, 30))
    write_grid(directory, 1000, 90, (41, 30))
    write_grid(directory, 2000, 90, (40, 30)).write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    draw_film(directory)
    assert not directory.film.exists()  # one grid is no film
    write_grid(directory, 3000, 200, (40, 30))
    draw_film(directory)
    assert reds(directory) == [10, 200]


def test_transparent_grids_stand_on_squares(directory: RunDirectory) -> None:
    for images in (0, 1000):
        path = directory.sample_grid(images, decimals=False)
        Image.new("RGBA", (20, 20), (255, 0, 0, images // 10)).save(path)
    draw_film(directory)
    assert reds(directory)[0] == 205  # nothing but the ground
    assert reds(directory)[1] == pytest.approx(205 + (255 - 205) * 100 / 255, abs=1)
