from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import adavit
from adavit.errors import UserError
from adavit.exploring.explorer import Explorer
from adavit.exploring.interpolate import interpolate
from adavit.generation.sampling import image_from_tensor, images_of_seeds
from adavit.styles.change import StyleChange
from adavit.styles.classes import ClassChoice
from adavit.styles.directions import find_directions
from adavit.styles.directions_file import save_directions
from adavit.styles.numbers import DirectionStep
from adavit.styles.styles_file import styles_content
from tests.stored_generators import store_generator
from tests.telling import Told


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    return store_generator(tmp_path / "generator.safetensors")


def film(source: Path, seeds: list[int], out: Path, **given: Any) -> list[np.ndarray]:
    """Frames as they are written to a folder."""
    defaults = {"fps": 4, "scale": 1, "device": "cpu", "console": Told()}
    interpolate(source, seeds, out, **{**defaults, **given})
    return [np.array(Image.open(path)).astype(int) for path in sorted(out.iterdir())]


def as_generated(source: Path, seeds: list[int], truncation: float = 1.0) -> list[np.ndarray]:
    explorer = Explorer.open(source, device="cpu")
    change = StyleChange(explorer.generator, truncation=truncation)
    drawn = images_of_seeds(
        explorer.generator, seeds, choice=ClassChoice(), change=change, noise="fixed"
    )
    return [np.array(image_from_tensor(image)).astype(int) for image, _ in drawn]


@pytest.mark.parametrize("space", ["w", "z"])
def test_the_loop_passes_the_images_of_its_seeds(space: str, stored: Path, tmp_path: Path) -> None:
    seen = film(stored, [5, 9, 2], tmp_path / "f", seconds=3, space=space, truncation=0.7)
    assert len(seen) == 12
    for frame, image in zip(seen[::4], as_generated(stored, [5, 9, 2], 0.7), strict=True):
        assert np.abs(frame - image).max() <= 1
    moves = [np.abs(a - b).mean() for a, b in zip(seen, [*seen[1:], seen[0]], strict=True)]
    assert min(moves) > 0.1  # nothing is shown twice, at the seam neither


def test_two_loops_share_the_seeds_out(stored: Path, tmp_path: Path) -> None:
    seen = film(stored, [1, 2, 7, 8], tmp_path / "f", seconds=2, grid=(2, 1))
    left, right = as_generated(stored, [1, 7]), as_generated(stored, [2, 8])
    assert (len(seen), seen[0].shape) == (8, (20, 38, 3))
    for frame, (first, second) in zip((seen[0], seen[4]), (left, right), strict=True):
        assert np.abs(frame[2:18, 2:18] - first).max() <= 1
        assert np.abs(frame[2:18, 20:36] - second).max() <= 1


def test_a_direction_is_added_throughout(stored: Path, tmp_path: Path) -> None:
    explorer = Explorer.open(stored, device="cpu")
    found = find_directions(explorer.generator, count=2, choice=ClassChoice())
    save_directions(tmp_path / "d", found)
    steps = [DirectionStep(tmp_path / "d", 1, 2.0)]
    seen = film(stored, [5, 9], tmp_path / "f", seconds=1, steps=steps)
    w = explorer.styles([5, 9]) + found.offset(1, 2.0)
    expected = explorer.images(w).permute(0, 2, 3, 1).int().numpy()
    assert np.abs(seen[0] - expected[0]).max() <= 1
    assert np.abs(seen[2] - expected[1]).max() <= 1


def test_styles_lead_from_class_to_class_and_latents_do_not(tmp_path: Path) -> None:
    source = store_generator(tmp_path / "g.safetensors", num_classes=3, image_channels=4)
    explorer = Explorer.open(source, device="cpu")
    seeds = [0, next(s for s in range(1, 99) if explorer.classes([s]) != explorer.classes([0]))]
    seen = film(source, seeds, tmp_path / "f", seconds=1)
    expected = explorer.images(explorer.styles(seeds)).permute(0, 2, 3, 1).int().numpy()
    assert np.abs(np.stack(seen[::2]) - expected).max() <= 1
    with pytest.raises(UserError, match=r"--seeds draws 2 classes\. Name one with --class"):
        film(source, seeds, tmp_path / "z", space="z")
    assert len(film(source, seeds, tmp_path / "z", seconds=1, space="z", class_name="cow")) == 4


def test_it_is_said_what_was_written_and_how_far_it_is(stored: Path, tmp_path: Path) -> None:
    told = Told()
    path = adavit.interpolate(
        str(stored), [1, 2], tmp_path / "a.webp", seconds=1, fps=8, device="cpu", console=told
    )
    assert path == tmp_path / "a.webp"
    assert told.activities == {"frame": (8, 8)}
    (line,) = told.results
    assert line.startswith(f"Wrote {path}, 8 frames of 256x256 px in 1 s (")
    assert line.endswith(f"): {stored}, of 1 kimg.")


@pytest.mark.parametrize(
    ("seeds", "grid", "words"),
    [
        (
            [1],
            (1, 1),
            r"--seeds and --styles name 1, expected at least 2\. Name for example --seeds 0-2",
        ),
        ([1, 2, 3], (2, 1), r"name 3, expected a multiple of 2 for --grid 2x1, at least 4"),
        ([1, 2], (2, 1), r"name 2, .* at least 4\. Name for example --seeds 0-5"),
    ],
)
def test_seeds_that_do_not_share_out_are_refused(
    seeds: list[int], grid: tuple[int, int], words: str, stored: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=words):
        film(stored, seeds, tmp_path / "f", grid=grid)
    assert not (tmp_path / "f").exists()


def test_a_generator_that_diverged_leaves_no_film(stored: Path, tmp_path: Path) -> None:
    explorer = Explorer.open(stored, device="cpu")
    torch.nn.init.constant_(explorer.generator.synthesis.constant, float("inf"))
    assert not torch.isfinite(explorer.generator.synthesis(explorer.styles([0]))).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Explorer, "open", lambda *_, **__: explorer)
        with pytest.raises(adavit.RunError, match="not finite"):
            film(stored, [1, 2], tmp_path / "f.gif")
    assert not (tmp_path / "f.gif").exists()


def test_a_loop_leads_from_seeds_to_styles(stored: Path, tmp_path: Path) -> None:
    explorer = Explorer.open(stored, device="cpu")
    w = explorer.styles([5, 9])
    w[1, 3:] = 0.5
    path = tmp_path / "w.safetensors"
    path.write_bytes(styles_content(w[1], explorer.stored, {}))
    told = Told()
    seen = film(stored, [5], tmp_path / "f", styles=[path], seconds=1, console=told)
    assert told.notes == []
    expected = explorer.images(w).permute(0, 2, 3, 1).int().numpy()
    assert len(seen) == 4
    for frame, image in zip(seen[::2], expected, strict=True):
        assert np.abs(frame - image).max() <= 1
    other = store_generator(tmp_path / "other.safetensors", seed=1)
    film(other, [5], tmp_path / "g", styles=[path], seconds=1, console=told)
    assert [note for note in told.notes if "was found in another generator than" in note]


def test_styles_have_no_latents(stored: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--space z leads through latents"):
        film(stored, [1], tmp_path / "f", styles=[tmp_path / "w.safetensors"], space="z")
