"""The command; the methods are tested in tests/adavit/styles/test_directions.py."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import adavit
from adavit.errors import UserError
from adavit.exploring.explorer import Explorer
from adavit.generation.generate import generate
from adavit.runtime.pictures import is_result
from adavit.styles.directions_file import read_directions
from adavit.styles.numbers import DirectionStep
from tests.stored_generators import store_generator
from tests.telling import Told


@pytest.mark.parametrize("method", ["sefa", "pca"])
def test_strips_lead_from_one_side_to_the_other(method: str, tmp_path: Path) -> None:
    source, told = store_generator(tmp_path / "g.safetensors"), Told()
    given = {"method": method, "layers": [1, 2], "count": 2, "seeds": [4, 6], "reach": 2.0}
    paths = adavit.directions(
        str(source), tmp_path / "d", images=5, scale=1, device="cpu", console=told, **given
    )
    assert paths == [tmp_path / "d" / name for name in ("directions.safetensors", "strips.png")]
    found = read_directions(paths[0])
    assert (found.method, found.layers, len(found.vectors)) == (method, (1, 2), 2)
    strips = Image.open(paths[1])
    assert is_result(strips)
    sheet = np.array(strips).astype(int)
    left, top = strips.width - 5 * 18, strips.height - 4 * 18
    explorer = Explorer.open(source, device="cpu")
    for row, (number, seed) in enumerate(((0, 4), (0, 6), (1, 4), (1, 6))):
        for column, amount in enumerate((-2.0, -1.0, 0.0, 1.0, 2.0)):
            w = explorer.styles([seed]) + found.offset(number, amount)
            image = explorer.images(w)[0].permute(1, 2, 0).int().numpy()
            tile = sheet[top + 18 * row :, left + 18 * column :][:16, :16]
            assert np.abs(tile - image).max() <= 1
    assert told.activities == {"direction": (2, 2)}
    assert "2 directions by " in told.results[0]


def test_generate_takes_a_step(tmp_path: Path) -> None:
    source = store_generator(tmp_path / "g.safetensors")
    given = {"device": "cpu", "console": Told()}
    file, _ = adavit.directions(str(source), tmp_path / "d", count=2, **given)
    plain = generate(source, [5], tmp_path / "a", **given)[0].read_bytes()
    still = generate(source, [5], tmp_path / "b", steps=[DirectionStep(file, 1, 0.0)], **given)
    there = [DirectionStep(file, 1, 2.5), DirectionStep(file, 1, -1.0)]
    moved = generate(source, [5], tmp_path / "c", steps=there, noise="fixed", **given)
    assert np.abs(difference(tmp_path / "a", still[0])).max() <= 1
    explorer = Explorer.open(source, device="cpu")
    w = explorer.styles([5]) + read_directions(file).offset(1, 1.5)
    image = explorer.images(w)[0].permute(1, 2, 0).int().numpy()
    assert np.abs(np.array(Image.open(moved[0])) - image).max() <= 1
    assert moved[0].read_bytes() != plain


def difference(folder: Path, other: Path) -> np.ndarray:
    ours = np.array(Image.open(folder / other.name)).astype(int)
    return ours - np.array(Image.open(other))


def test_what_does_not_exist_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source, out = str(store_generator(tmp_path / "g.safetensors")), tmp_path / "d"
    for given, words in (
        ({"layers": [9], "count": 2}, "--layers has 9"),
        ({"count": 7}, "--count is 7"),
        ({"images": 1, "count": 2}, "--images is 1, expected at least 2"),
        ({"seeds": range(9999), "count": 2}, "or name fewer --seeds"),
    ):
        with pytest.raises(UserError, match=words):
            adavit.directions(source, out, device="cpu", console=Told(), **given)
    assert not out.exists()


@pytest.mark.parametrize("held_by", [np.array, torch.tensor])
def test_strips_of_seeds_and_layers_in_arrays(
    held_by: Callable[[list[int]], Sequence[int]], tmp_path: Path
) -> None:
    source = store_generator(tmp_path / "g.safetensors")
    given = {"count": 2, "device": "cpu", "console": Told()}
    lists = adavit.directions(source, tmp_path / "a", seeds=[4, 6], layers=[1, 2], **given)
    seeds, layers = held_by([4, 6]), held_by([1, 2])
    arrays = adavit.directions(source, tmp_path / "b", seeds=seeds, layers=layers, **given)
    assert [path.read_bytes() for path in lists] == [path.read_bytes() for path in arrays]


def test_a_reach_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    source = store_generator(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="--reach is nan, expected a number of standard"):
        adavit.directions(source, tmp_path / "out", reach=float("nan"))
    assert not (tmp_path / "out").exists()


def test_strips_that_are_too_large_are_refused_with_what_makes_them_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = store_generator(tmp_path / "a.safetensors")
    monkeypatch.setattr("adavit.generation.grid.LARGEST", 500)
    with pytest.raises(UserError, match=r"\. Lower --count or --images, or name fewer --seeds\.$"):
        adavit.directions(source, tmp_path / "out", count=2, scale=1)
