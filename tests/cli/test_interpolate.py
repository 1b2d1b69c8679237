from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.conftest import Adavit
from tests.stored_generators import store_generator


def test_a_film_is_written_as_its_name_says(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"), image_channels=4)
    flags = "--seeds 1,2,5 --seconds 0.5 --fps 10 --scale 2 --truncation 0.8"
    for out in ("a.webp", "a.gif", "folder"):
        outcome = adavit("interpolate", "g.safetensors", *flags.split(), "--out", out)
        assert outcome.code == 0, outcome.err
        assert outcome.out.startswith(f"Wrote {out}, 5 frames of 32x32 px in 0.5 s (")
    assert [Image.open(name).n_frames for name in ("a.webp", "a.gif")] == [5, 5]
    assert len(list(Path("folder").iterdir())) == 5


def test_loops_lie_in_a_grid_and_z_is_another_way(adavit: Adavit) -> None:
    store_generator(Path("g.safetensors"))
    flags = "--seeds 0-3 --grid 1x2 --seconds 1 --fps 4 --scale 1"
    for space in ("w", "z"):
        outcome = adavit(
            "interpolate", "g.safetensors", *flags.split(), "--space", space, "--out", space
        )
        assert outcome.code == 0, outcome.err
    films = [[np.array(Image.open(f"{s}/frame000{n}.png")) for n in range(4)] for s in "wz"]
    assert films[0][0].shape == (38, 20, 3)
    same = [np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(*films, strict=True)]
    assert same == [True, False, True, False]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--seeds 1 --out a.gif", "--seeds and --styles name 1, expected at least 2"),
        ("--seeds 1,18446744073709551616 --out a.gif", "expected numbers below 2^64"),
        ("--seeds 1,2 --out a.gif --grid 3", "--grid is '3', expected columns x rows"),
        ("--seeds 1,2 --out a.mp4", 'pip install "adavit[video]"'),
    ],
)
def test_mistakes_are_told(
    flags: str, words: str, adavit: Adavit, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_generator(Path("g.safetensors"))
    monkeypatch.setattr("adavit.runtime.films.find_spec", lambda name: None)
    outcome = adavit("interpolate", "g.safetensors", *flags.split())
    assert outcome.code == 2
    assert words in outcome.err
    assert sorted(path.name for path in Path().iterdir()) == ["g.safetensors"]
