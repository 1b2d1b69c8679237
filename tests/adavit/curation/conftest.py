"""Small sets with known flaws."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAVIT_CACHE", str(tmp_path / "cache"))


def textured(seed: int, height: int = 40, width: int = 40) -> np.ndarray:
    """uint8 [H, W, 3] of smooth random light and some colour, no two alike."""
    random = np.random.default_rng(seed)
    coarse = random.integers(40, 216, (14, 14, 1)) + random.integers(-20, 20, (14, 14, 3))
    image = Image.fromarray(coarse.astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    return np.asarray(image)


def blobs(count: int, side: int = 24, seed: int = 0) -> np.ndarray:
    """Smooth Gaussian noise, uint8 [N, 3, S, S]: the same whichever way it is turned or its colours are rotated."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((count, 3, side, side))
    frequency = np.fft.fftfreq(side)
    squared = frequency[:, None] ** 2 + frequency**2
    smooth = np.fft.ifft2(np.fft.fft2(noise) * np.exp(-squared / (2 * 0.08**2))).real
    return (127.5 + 45 * smooth / smooth.std()).round().clip(0, 255).astype(np.uint8)


def arrows(count: int, side: int = 24, seed: int = 0) -> np.ndarray:
    """Red arrows that point to the right, anywhere on grey, uint8 [N, 3, S, S]."""
    random = np.random.default_rng(seed)
    images = np.full((count, 3, side, side), 110, dtype=np.uint8)
    for image in images:
        top, left = random.integers(1, side - 12, 2)
        for row in range(11):
            length = 1 + min(row, 10 - row)
            image[0, top + row, left : left + 2 * length] = 230
    return images


@pytest.fixture
def drawn_set() -> str:
    """Sixty drawings of ten kinds."""
    return "small_set:60"


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """Two classes of eight images; in a/: a copy, a mirrored one, a blank and a broken one; in b/: a copy of a/0."""
    folder = tmp_path / "spoilt"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for index in range(16):
        image = Image.fromarray(textured(index))
        image.save(folder / "ab"[index % 2] / f"{index:02d}.png")
    Image.fromarray(textured(2)).save(folder / "a" / "equal_02.png")
    Image.fromarray(textured(4)[:, ::-1]).save(folder / "a" / "mirrored_04.png")
    Image.fromarray(textured(6)).save(folder / "a" / "near_06.jpg", quality=40)
    Image.fromarray(np.full((40, 40, 3), 90, np.uint8)).save(folder / "a" / "blank.png")
    Image.fromarray(textured(0)).save(folder / "b" / "leaked_00.png")
    (folder / "a" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    return folder


def scene(seed: int, side: int = 32) -> np.ndarray:
    """uint8 [S, S, 3]: light that falls off, and three things in it; smooth as a small photograph is."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:96, :96] / 96
    colours = random.integers(30, 226, (5, 3)).astype(np.float64)
    slope = (random.uniform(-1, 1) * rows + random.uniform(-1, 1) * columns + 1)[..., None] / 2
    image = (1 - slope) * colours[0] + slope * colours[1]
    for colour in colours[2:]:
        (y, x), (high, wide) = random.uniform(0.15, 0.85, 2), random.uniform(0.12, 0.35, 2)
        outside = ((rows - y) / high) ** 2 + ((columns - x) / wide) ** 2
        cover = (1 / (1 + np.exp(12 * (outside - 1).clip(-2, 2))))[..., None]
        image = (1 - cover) * image + cover * colour
    return np.asarray(
        Image.fromarray(image.astype(np.uint8)).resize((side, side), Image.Resampling.LANCZOS)
    )
