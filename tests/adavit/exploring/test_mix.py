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
from tests.stored_generators import store_generator
from tests.telling import Told

ROWS, COLUMNS, LAYERS = [1, 2, 3], [10, 11], [0, 1]


def tiles(path: Path, side: int = 16) -> np.ndarray:
    """Images [rows, columns, H, W, C] of a sheet that was not enlarged."""
    sheet = np.array(Image.open(path)).astype(int)
    step = side + 2
    left, top = sheet.shape[1] - 3 * step - 2, sheet.shape[0] - 4 * step - 2
    return np.stack(
        [
            [
                sheet[top + 2 + row * step :, left + 2 + column * step :][:side, :side]
                for column in range(3)
            ]
            for row in range(4)
        ]
    )


@pytest.mark.parametrize("noise", ["seed", "fixed", "none"])
def test_the_margins_are_what_generate_draws_and_the_rest_is_mixed(
    noise: str, tmp_path: Path
) -> None:
    source = store_generator(tmp_path / "g.safetensors", num_classes=3, image_channels=4)
    told, out = Told(), tmp_path / "mix.png"
    given = {"truncation": 0.8, "noise": noise, "device": "cpu"}
    sheet = adavit.mix(str(source), ROWS, COLUMNS, LAYERS, out, scale=1, console=told, **given)
    assert sheet == out
    assert is_result(Image.open(out))
    found = tiles(out)
    assert (found[0, 0] == 0).all()
    written = generate(source, [*COLUMNS, *ROWS], tmp_path / "drawn", **given)
    alone = [np.array(Image.open(path)).astype(int) for path in written]
    assert np.array_equal(found[0, 1:], alone[:2])
    assert np.array_equal(found[1:, 0], alone[2:])
    explorer = Explorer.open(source, device="cpu")
    if noise == "none":
        explorer.generator.synthesis.silence()
    average = explorer.generator.w_average
    for row, seed in enumerate(ROWS, start=1):
        for column, other in enumerate(COLUMNS, start=1):
            w = torch.lerp(average, explorer.styles([seed, other]), 0.8)
            w[0, :2] = w[1, :2]
            pixels = [seed] if noise == "seed" else None
            image = explorer.images(w[:1], noise_seeds=pixels)[0].permute(1, 2, 0)
            assert np.abs(found[row, column] - image.int().numpy()).max() <= 1
    assert told.activities == {"seed": (5, 5), "row": (3, 3)}
    assert told.results[0].startswith(f"Wrote {out}, 3 rows and 2 columns, ")


def test_of_all_layers_the_columns_images_come_down_and_of_none_nothing_changes(
    tmp_path: Path,
) -> None:
    source = store_generator(tmp_path / "g.safetensors")
    for layers, copied in (([*range(6)], (0, slice(1, None))), ([], (slice(1, None), 0))):
        given = {"noise": "fixed", "scale": 1, "device": "cpu", "console": Told()}
        adavit.mix(str(source), ROWS, COLUMNS, layers, tmp_path / "mix.png", **given)
        found = tiles(tmp_path / "mix.png")
        expected = found[copied] if layers else found[copied][:, None]
        assert np.abs(found[1:, 1:] - expected).max() <= 1


def test_layers_and_sheets_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = str(store_generator(tmp_path / "g.safetensors"))
    out = tmp_path / "mix.png"
    with pytest.raises(UserError, match=r"--layers has 6, but .* has layers 0-5"):
        adavit.mix(source, ROWS, COLUMNS, [0, 6], out, device="cpu", console=Told())
    with pytest.raises(UserError, match="Name fewer seeds, or lower --scale"):
        adavit.mix(source, range(999), range(999), [0], out, device="cpu", console=Told())
    with pytest.raises(UserError, match=r"m\.jpg' ends in \.jpg, expected \.png"):
        adavit.mix(source, ROWS, COLUMNS, [0], tmp_path / "m.jpg", device="cpu", console=Told())
    assert not (tmp_path / "m.jpg").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be made"):
        adavit.mix(
            source, ROWS, COLUMNS, [0], tmp_path / "file/mix.png", device="cpu", console=Told()
        )
    assert not out.exists()


@pytest.mark.parametrize("held_by", [np.array, torch.tensor])
def test_seeds_and_layers_may_stand_in_arrays(
    held_by: Callable[[list[int]], Sequence[int]], tmp_path: Path
) -> None:
    source = store_generator(tmp_path / "g.safetensors")
    drawn = [
        adavit.mix(source, *given, tmp_path / name, device="cpu", console=Told()).read_bytes()
        for name, given in {
            "lists.png": [ROWS, COLUMNS, LAYERS],
            "arrays.png": [held_by(ROWS), held_by(COLUMNS), held_by(LAYERS)],
        }.items()
    ]
    assert drawn[0] == drawn[1]
