"""Spectra of planted images, whatever their size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adavit.errors import UserError
from adavit.generation.generate import generate
from benchmarks import spectrum
from tests.adavit.evaluation.runs import make_run


def draw(folder: Path, height: int, width: int, *, planted: int = 0, count: int = 40) -> str:
    """Grey noise, each image with a checkerboard of single pixels of so many levels up and down."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    board = np.where(np.add.outer(np.arange(height), np.arange(width)) % 2, planted, -planted)
    for number in range(count):
        pixels = rng.integers(64, 192, (height, width)) + board
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return str(folder)


def table(text: str) -> dict[str, tuple[list[float], float]]:
    """By source: the bands, and the checkerboard."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return {row[-1]: ([float(each) for each in row[:-2]], float(row[-2])) for row in rows}


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 64), (56, 48)])
def test_alike_images_have_1_everywhere_and_a_planted_checkerboard_is_seen(
    height: int, width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = draw(tmp_path / "real", height, width)
    alike = draw(tmp_path / "alike", height, width)
    planted = draw(tmp_path / "planted", height, width, planted=30)
    spectrum.main(real, [alike, planted])
    found = table(capsys.readouterr().out)
    assert found[alike] == ([1.0] * 8, 1.0)
    rings, corner = found[planted]
    assert rings[:7] == [1.0] * 7
    # The board has 30^2 at one frequency of H x W, the noise 128^2 / 12 evenly over all.
    assert corner == pytest.approx(1 + 30**2 * height * width / (128**2 / 12), rel=0.5)


def test_fakes_of_several_sizes_each_have_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real = draw(tmp_path / "real", 64, 64)
    small = draw(tmp_path / "small", 32, 32, planted=30)
    large = draw(tmp_path / "large", 64, 64, planted=30)
    spectrum.main(real, [small, large])
    found = table(capsys.readouterr().out)
    assert min(corner for _, corner in found.values()) > 100
    with pytest.raises(UserError, match="has images of 32, 64 px, expected one size"):
        spectrum.fakes_of(str(tmp_path))


def test_a_folder_without_images_or_of_a_size_that_no_generator_has_is_refused(
    tmp_path: Path,
) -> None:
    with pytest.raises(UserError, match="has no image that can be read"):
        spectrum.fakes_of(draw(tmp_path / "empty", 64, 64, count=0))
    with pytest.raises(UserError, match=r"the side of FAKES .* is 50, but sides must be"):
        spectrum.fakes_of(draw(tmp_path / "odd", 50, 50))


def test_a_run_and_the_folder_that_it_draws_are_of_one_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spectrum, "DRAWN", 6)
    data = draw(tmp_path / "data", 64, 64)
    run = make_run(tmp_path / "run", Path(data), side=64)
    Path(run / "generator-last.safetensors").write_bytes(
        (run / "generator-best.safetensors").read_bytes()
    )
    generate(run, range(6), tmp_path / "drawn")
    of_run, of_folder = (spectrum.fakes_of(str(path)) for path in (run, tmp_path / "drawn"))
    assert of_run.shape == of_folder.shape == (6, 3, 64, 64)
    kept = spectrum.fakes_of(str(run / "generator-best.safetensors"))
    np.testing.assert_array_equal(kept, of_run)
