"""Discriminators of other parts: half and then the rest gives the bits of one go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import adavit
from adavit.config.run import RunConfig
from tests.adavit.training.test_train import assert_same_bits, final_state

CLASSES: dict[str, Any] = {"data": {"cond": True}}
LAYERS: dict[str, dict[str, Any]] = {
    "conv, rope2d, l2, isn": {
        "discriminator": {
            "stem": "conv",
            "position_embedding": "rope2d",
            "attention": "l2",
            "readout": "tokens",
            "weight_constraint": "isn",
            "patch_drop": 0.25,
        }
    },
    "hybrid, relative, lsa, sn": {
        "discriminator": {
            "stem": "hybrid",
            "position_embedding": "relative",
            "attention": "lsa",
            "readout": "cls+gap",
            "weight_constraint": "sn",
            "registers": 2,
        },
        **CLASSES,
    },
    "spt, learned2d, axial": {
        "discriminator": {
            "stem": "spt",
            "position_embedding": "learned2d",
            "attention": "axial",
            "readout": "gap",
        }
    },
    "overlap, sincos2d, dot": {
        "discriminator": {
            "stem": "overlap",
            "position_embedding": "sincos2d",
            "attention": "dot",
        }
    },
    "r3gan": {"discriminator": {"kind": "resnet", "form": "r3gan", "channel_max": 8}, **CLASSES},
    "plain": {"discriminator": {"kind": "resnet", "form": "plain", "channel_max": 8}},
}


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_half_then_resume_equals_one_go_with_other_parts(
    tiny: Callable[..., RunConfig], tmp_path: Path, layer: dict[str, Any]
) -> None:
    # Two generated images: what is measured is not what is tested. At the half, where the other run ends, in both.
    few = {"metrics": {"fakes": 2, "every_kimg": 0.016}, "run": {"status_every_kimg": 1}}
    half = {"training": {"total_kimg": 0.016}}
    layer = {**layer, "training": {"total_kimg": 0.032}}
    adavit.train(tiny(few, layer, {"run": {"out": str(tmp_path / "whole")}}))
    adavit.train(tiny(few, layer, half, {"run": {"out": str(tmp_path / "half")}}))
    adavit.resume(tmp_path / "half", [layer])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
