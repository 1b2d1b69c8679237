"""The pipe of a run, its extra operations, and what moves p."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

import adavit
from adavit.augment import AdaptiveProbability, FixedProbability, ScheduledProbability
from adavit.build.augmentation import build_pipe, build_probability, single_operation
from adavit.config.augment import AugmentConfig
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from tests.adavit.training.test_train import assert_same_bits, final_state

Tiny = Callable[..., RunConfig]
ELASTIC = {"operation": "RandomElasticTransform", "p": 0.5, "alpha": [0.5, 0.5]}


def section(**augment: Any) -> AugmentConfig:
    facts = RunFacts(resolution=Resolution.of(16), training_images=100, device="cpu")
    return resolve(build_config([{"augment": augment}]), facts).augment


def test_multipliers_and_magnitudes_reach_the_groups() -> None:
    pipe = build_pipe(section(preset="geom", scale_std=0.3, rotate=0.25))
    assert pipe.geometric.scale_std == 0.3
    assert dict(zip(pipe.geometric.names, pipe.geometric.multipliers.tolist(), strict=True)) == {
        "scale": 1.0,
        "rotate": 0.25,
        "aniso": 1.0,
        "xfrac": 1.0,
    }
    assert not pipe.color.enabled


def test_a_single_operation_is_alone_and_as_strong_as_asked_only_where_p_would_make_it_so() -> None:
    found = {
        name: single_operation(name, {"cutout_size": 0.3}, strength=0.2)
        for name in ("cutout", "diffusion")
    }
    assert [pipe.cutout.multipliers.tolist() for pipe in found.values()] == [[1.0], []]
    assert found["diffusion"].diffusion.multipliers.tolist() == pytest.approx([0.2])
    assert not found["cutout"].diffusion.enabled
    assert found["cutout"].cutout.cutout_size == 0.3


@pytest.mark.parametrize("preset", ["blit", "diffaug"])
def test_extra_operations_come_with_either_pipe(preset: str) -> None:
    fixed = {"mode": "fixed", "p": 1} if preset == "diffaug" else {}
    pipe = build_pipe(section(preset=preset, extra=[ELASTIC, "RandomInvert"], **fixed))
    names = [type(operation).__name__ for operation in pipe.extra.operations]
    assert names == ["RandomElasticTransform", "RandomInvert"]
    assert pipe.extra.multipliers.tolist() == [0.5, 1.0]


def test_the_mode_decides_what_moves_p() -> None:
    chosen = {"heuristic": "rv", "target": 0.3, "speed_kimg": 7.0, "p_max": 0.6}
    adaptive = build_probability(section(**chosen, initial_p=0.1))
    assert isinstance(adaptive, AdaptiveProbability)
    assert {name: getattr(adaptive, name) for name in chosen} == chosen
    assert adaptive.p == 0.1
    fixed, none = (
        build_probability(section(mode="fixed", p=0.3)),
        build_probability(section(mode="none")),
    )
    assert isinstance(fixed, FixedProbability)
    assert (fixed.p, none.p) == (0.3, 0.0)
    moving = build_probability(section(mode="scheduled", p=0.5, schedule_kimg=2, initial_p=0.1))
    assert isinstance(moving, ScheduledProbability)
    assert (moving.start, moving.end, moving.horizon_kimg) == (0.1, 0.5, 2)


def test_a_run_with_extra_operations_resumes_to_the_same_bits(tiny: Tiny, tmp_path: Any) -> None:
    extra = {"augment": {"extra": [ELASTIC, "RandomHorizontalFlip:0.5"]}, "metrics": {"names": []}}
    adavit.train(tiny(extra, {"run": {"out": str(tmp_path / "whole")}}))
    half = {"training": {"total_kimg": 0.032}, "run": {"out": str(tmp_path / "half")}}
    adavit.train(tiny(extra, half))
    adavit.resume(tmp_path / "half", [{"training": {"total_kimg": 0.064}}])
    assert_same_bits(final_state(tmp_path / "whole"), final_state(tmp_path / "half"))
    adavit.train(tiny({"metrics": {"names": []}}, {"run": {"out": str(tmp_path / "without")}}))
    with_it, without = final_state(tmp_path / "whole"), final_state(tmp_path / "without")
    assert any(
        not torch.equal(with_it["generator"][name], value)
        for name, value in without["generator"].items()
    )


def test_an_operation_that_cannot_be_trained_through_is_refused_before_a_directory_is_made(
    tiny: Tiny, tmp_path: Any
) -> None:
    with pytest.raises(UserError, match=r"augment\.extra: RandomPosterize has no gradient"):
        adavit.train(tiny({"augment": {"extra": "RandomPosterize"}}))
    assert not (tmp_path / "run").exists()
