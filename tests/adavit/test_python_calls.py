"""What callers in Python write wrong is told as at the command line, which has checked words before it calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import adavit
from adavit.errors import UserError
from tests.stored_generators import store_generator

WRONG: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "noise": (adavit.generate, {"seeds": [0], "noise": "Seed"}, "--noise is 'Seed'"),
    "noise of a sheet": (
        adavit.mix,
        {"rows": [0], "columns": [1], "layers": [0], "noise": "off"},
        "--noise is 'off'",
    ),
    "no rows": (adavit.mix, {"rows": [], "columns": [1], "layers": [0]}, "--rows names nothing"),
    "no columns": (adavit.mix, {"rows": [1], "columns": [], "layers": [0]}, "--columns names"),
    "scale of a sheet": (
        adavit.mix,
        {"rows": [0], "columns": [1], "layers": [0], "scale": 0},
        "--scale is 0, expected at least 1",
    ),
    "scale of a film": (
        adavit.interpolate,
        {"seeds": [0, 1], "scale": -2},
        "--scale is -2, expected at least 1",
    ),
    "labels": (adavit.generate, {"seeds": [0], "labels": "uniform"}, "--labels is 'uniform'"),
    "device": (adavit.generate, {"seeds": [0], "device": torch.device("meta")}, "--device is "),
    "method": (adavit.directions, {"method": "SeFa"}, "--method is 'SeFa'"),
    "no seeds": (adavit.directions, {"seeds": []}, "--seeds names nothing"),
    "nothing moves": (adavit.directions, {"layers": []}, "--layers names nothing"),
    "space of a loop": (adavit.interpolate, {"seeds": [0, 1], "space": "w+"}, "--space is 'w.'"),
    "format": (adavit.export, {"to": "tflite"}, "--to is 'tflite', expected one of onnx"),
    "no frames": (adavit.interpolate, {"seeds": [0, 1], "fps": 0}, "--fps is 0"),
    "for ever": (adavit.interpolate, {"seeds": [0, 1], "seconds": float("inf")}, "--seconds inf"),
    "for no time": (adavit.interpolate, {"seeds": [0, 1], "seconds": 0.0}, "--seconds 0.0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_word_or_an_empty_list_is_told_and_nothing_written(
    case: str, tmp_path: Path
) -> None:
    call, given, message = WRONG[case]
    generator = store_generator(tmp_path / "generator.safetensors")
    out = tmp_path / ("sheet.png" if call is adavit.mix else "loop.gif")
    with pytest.raises(UserError, match=message):
        call(str(generator), out=out, **given)
    assert not out.exists()


def test_a_network_of_a_pickle_is_known_by_its_word(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--only is 'D', expected one of generator, discrim"):
        adavit.import_networks(str(tmp_path / "a.pkl"), str(tmp_path / "out"), only="D")  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", [{"training": {}}, "kimg=3", [("training", {})]])
def test_layers_of_a_run_that_goes_on_are_mappings(layers: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^layers is .*, expected a list of mappings of sections"):
        adavit.resume(str(tmp_path), layers)


def test_a_run_has_a_best_and_a_last_generator_and_no_other(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--which is 'lst', expected one of best, last"):
        adavit.load_generator(str(tmp_path), which="lst")


def test_a_space_of_searches_is_known(tmp_path: Path) -> None:
    generator = store_generator(tmp_path / "generator.safetensors")
    with pytest.raises(UserError, match="--space is 'W', expected one of w, w"):
        adavit.project(str(generator), "small_set:2", out=tmp_path / "out", space="W")  # type: ignore[arg-type]
