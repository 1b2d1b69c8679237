"""Runs with a critic on frozen features: half and then the rest gives the bits of one go, in every combination."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import adavit
from adavit.config.run import RunConfig
from tests.adavit.training.test_train import assert_same_bits, figures, final_state
from tests.published_vit import write_published
from tests.small_weights import write_mobilenet

Tiny = Callable[..., RunConfig]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_mobilenet(tmp_path_factory.mktemp("weights") / "mobile.pth")


def drawn(folder: Path, mode: str) -> Path:
    """Twenty-four images of one kind of pixel."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    shape = {"L": (16, 16), "RGBA": (16, 16, 4)}[mode]
    for index in range(24):
        pixels = rng.integers(0, 256, shape, np.uint8)
        Image.fromarray(pixels, mode).save(folder / f"{index:02d}.png")
    return folder


@pytest.mark.parametrize(
    ("features", "others", "mode"),
    [
        ({"p": 0.3, "mixing": "scales", "loss": "hinge"}, {"data": {"cond": True}}, None),
        (
            {"mixing": "channels", "weight": 0.5},
            {"training": {"loss": "relativistic", "penalty": "approximate"}},
            "RGBA",
        ),
        (
            {"p": 0.5, "mixing": "scales"},
            {"training": {"loss": "hinge", "microbatch": 4, "lecam": 0.3}},
            "L",
        ),
        (
            {"p": 0.3, "loss": "hinge", "maps": 1},
            {
                "training": {"loss": "wasserstein", "gradient_penalty": 1, "r1_gamma": 0},
                "augment": {"heuristic": "rv"},
            },
            "RGBA",
        ),
        ({"mixing": "channels", "loss": "hinge"}, {"data": {"mirror": True}}, "L"),
        ({"start_kimg": 0.028, "interval": 2}, {}, None),
        (
            {"vanishes_at": 1.0},
            {"augment": {"mode": "scheduled", "p": 0.8, "schedule_kimg": 0.04}},
            None,
        ),
        ({}, {"training": {"san": True}, "data": {"cond": True}}, None),
        ({}, {"training": {"precision": "bf16"}}, None),
        pytest.param(
            {"side": 64, "maps": 1, "class_token": True},
            {"training": {"batch": 2}, "data": {"subset": 8}},
            None,
            marks=pytest.mark.slow,
        ),
    ],
    ids=[
        *("classes", "alpha", "grey", "alpha at its own p", "grey without one"),
        *("across its start", "with a weight that moves"),
        *("last layers of SAN", "bf16", "a transformer and its class token"),
    ],
)
def test_half_then_resume_equals_one_go_bit_for_bit(
    tiny: Tiny,
    tmp_path: Path,
    network: str,
    features: dict[str, Any],
    others: dict[str, Any],
    mode: str | None,
) -> None:
    if "class_token" in features:
        network = write_published(tmp_path / "vit.pth")
    layers: list[dict[str, Any]] = [{"features": {"network": network, "side": 32, **features}}]
    batch_kimg = others.get("training", {}).get("batch", 8) / 1000
    layers += [others, {"metrics": {"names": []}, "run": {"status_every_kimg": batch_kimg}}]
    if mode is not None:
        layers.append({"data": {"source": str(drawn(tmp_path / mode, mode))}})
    whole = tiny(*layers, {"training": {"total_kimg": 5 * batch_kimg}, "run": {"out": "whole"}})
    half = tiny(*layers, {"training": {"total_kimg": 3 * batch_kimg}, "run": {"out": "half"}})
    adavit.train(whole)
    adavit.train(half)
    adavit.resume(Path("half"), [{"training": {"total_kimg": 5 * batch_kimg}}])
    assert_same_bits(final_state(Path("whole")), final_state(Path("half")))
    records = figures(Path("whole/stats.jsonl"))
    assert records == figures(Path("half/stats.jsonl"))
    assert all(record["features_generator"] != 0 for record in records)
    weights = {record.get("features_weight") for record in records}
    assert (len(weights) > 2) is ("vanishes_at" in features)
