"""Runs on images that are no squares: half and then the rest gives the bits of one go, in the shape of the images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import adavit
from adavit.config.run import RunConfig
from adavit.generation.generate import generate
from adavit.generation.grid import grid_rows
from adavit.runs.directory import RunDirectory
from adavit.runtime.resolution import Resolution
from tests.adavit.training.test_train import assert_same_bits, figures, final_state

RESNET = {"kind": "resnet", "channel_base": 64, "channel_max": 8}
VIT: dict[str, Any] = {"patch": 8}
OBLONG_PATCHES: dict[str, Any] = {"patch": "6x4"}


def write(folder: Path, resolution: Resolution, mode: str) -> Path:
    folder.mkdir()
    chance = np.random.default_rng(0)
    for number in range(24):
        levels = chance.integers(0, 256, (*resolution, len(mode)), dtype=np.uint8)
        Image.fromarray(levels[..., 0] if mode == "L" else levels).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize(
    ("shape", "given", "mode", "discriminator"),
    [
        ("24x40", "auto", "L", RESNET),
        ("48x32", [48, 32], "RGBA", OBLONG_PATCHES),
        pytest.param("24x40", "24x40", "L", VIT, marks=pytest.mark.slow),
        pytest.param("48x32", "48x32", "RGBA", RESNET, marks=pytest.mark.slow),
    ],
)
def test_oblong_runs_resume_to_the_same_bits(
    tiny: Callable[..., RunConfig],
    tmp_path: Path,
    shape: str,
    given: Any,
    mode: str,
    discriminator: dict[str, Any],
) -> None:
    resolution = Resolution.of(shape)
    data = {
        "source": str(write(tmp_path / "set", resolution, mode)),
        "resolution": "auto" if shape == "24x40" else shape,
    }
    layer = {"data": data, "discriminator": discriminator}
    quiet = {"metrics": {"names": []}, "run": {"status_every_kimg": 0.008}}
    end = {"training": {"total_kimg": 0.032, "schedule_kimg": 0.032}}
    whole = tiny(layer, quiet, end, {"run": {"out": str(tmp_path / "whole")}})
    half = tiny(
        layer,
        quiet,
        end,
        {"run": {"out": str(tmp_path / "half")}, "training": {"total_kimg": 0.016}},
    )
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": 0.032}}])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
    run = RunDirectory.open(tmp_path / "whole")
    assert figures(run.stats) == figures(tmp_path / "half" / "stats.jsonl")
    assert json.loads(run.data.read_text())["resolution"] == shape
    if discriminator is OBLONG_PATCHES:
        assert yaml.safe_load(run.config.read_text())["discriminator"]["patch"] == "6x4"
    with Image.open(run.real_images) as grid:
        assert grid_rows(grid, resolution=resolution) > 0
    (drawn,) = generate(run.path, [3], tmp_path / "drawn")
    with Image.open(drawn) as image:
        assert (image.size, image.mode) == ((resolution.width, resolution.height), mode)
