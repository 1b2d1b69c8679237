"""From the sections `training` and `features` to what is added to the losses."""

from typing import Any

import pytest
import torch
from torch import nn

from adavit.build.augmentation import build_pipe
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config
from adavit.config.training import TrainingConfig
from adavit.models.resnet.chain import Chain
from adavit.runtime.resolution import Resolution
from adavit.training.objectives.build import build_extras, build_objective, moving
from adavit.training.objectives.losses import LOSSES
from tests.adavit.training.objectives.test_feature_critic import make_objective

WEIGHTS = {
    "r1": {"r1_gamma": 0.4},
    "r2": {"r2_gamma": 0.4},
    "gradient_penalty": {"gradient_penalty": 10},
    "drift": {"drift": 0.001},
    "path_length_penalty": {"path_length": 2},
    "bcr_real": {"bcr_real": 10},
    "bcr_generated": {"bcr_generated": 10},
    "zcr_discriminator": {"zcr_discriminator": 0.2},
    "zcr_generator": {"zcr_generator": 0.02},
    "lecam": {"lecam": 0.3},
    "masked_patches": {"masked_patch_weight": 0.5},
}
OFF = {"r1_gamma": 0, "r2_gamma": 0}


class Teacher:
    """Stands for a frozen network."""


def section(**training: object) -> TrainingConfig:
    layers = [{"discriminator": {"kind": "vit"}, "training": {**OFF, **training}}]
    return resolve(build_config(layers), RunFacts(Resolution.of(16), 100, "cpu")).training


@pytest.mark.parametrize("name", WEIGHTS)
def test_a_weight_above_zero_brings_its_regularizer_alone(name: str) -> None:
    extras = build_extras(section(**WEIGHTS[name]), epoch_images=100, coarse=False)
    assert [part.name for part in extras["regularizers"]] == [name]
    assert extras["mixing"] is extras["top_k"] is extras["pseudo"] is None


def test_all_of_them_stand_in_a_fixed_order() -> None:
    everything = {key: value for layer in WEIGHTS.values() for key, value in layer.items()}
    extras = build_extras(section(**everything), epoch_images=100, coarse=False)
    assert [part.name for part in extras["regularizers"]] == list(WEIGHTS)


def test_a_teacher_comes_last() -> None:
    training = section(masked_patch_weight=0.5, distill_weight=0.7)
    teacher: Any = Teacher()
    extras = build_extras(training, epoch_images=100, coarse=False, teacher=teacher)
    assert [part.name for part in extras["regularizers"]] == ["masked_patches", "distillation"]
    distillation = extras["regularizers"][1]
    assert distillation.teacher is teacher
    assert distillation.factor(10**6) == 0.7


def test_gammas_are_halved_and_fall_with_the_schedule() -> None:
    training = section(r1_gamma=0.4, r1_interval=4, final_gamma_factor=0.1, schedule_kimg=1)
    (penalty,) = build_extras(training, epoch_images=100, coarse=False)["regularizers"]
    assert penalty.factor(0) == pytest.approx(4 * 0.2)
    assert penalty.factor(500) == pytest.approx(4 * 0.11)
    assert penalty.factor(1000) == pytest.approx(4 * 0.02)


def test_masked_patches_weigh_nothing_at_the_end_of_the_schedule() -> None:
    training = section(masked_patch_weight=0.5, schedule_kimg=1)
    (patches,) = build_extras(training, epoch_images=100, coarse=False)["regularizers"]
    assert [patches.factor(images) for images in (0, 500, 1000)] == pytest.approx([0.5, 0.25, 0])


@pytest.mark.parametrize("coarse", [False, True])
def test_approximate_penalties_compare_both_sides_where_logits_are_coarse(coarse: bool) -> None:
    training = section(r1_gamma=0.4, penalty="approximate", penalty_sigma=0.05)
    (penalty,) = build_extras(training, epoch_images=100, coarse=coarse)["regularizers"]
    assert (penalty.sigma, penalty.central) == (0.05, coarse)


def test_what_is_no_regularizer_takes_its_settings() -> None:
    training = section(
        style_mixing=0.9, top_k=0.5, apa_p_max=0.7, apa_target=0.4, apa_speed_kimg=50
    )
    extras = build_extras(training, epoch_images=80, coarse=False)
    assert extras["mixing"].probability == 0.9
    assert (extras["top_k"].smallest_part, extras["top_k"].epoch_images) == (0.5, 80)
    control = extras["pseudo"].probability
    assert (control.p_max, control.target, control.speed_kimg) == (0.7, 0.4, 50)


def test_the_control_of_a_normalisation_takes_its_settings() -> None:
    values = {"weight": 7.0, "p0": 0.2, "target": 0.4, "start_kimg": 3.0, "speed_kimg": 5.0}
    training = section(**{f"chain_{key}": value for key, value in values.items()})
    chain = Chain(nn.Identity())
    extras = build_extras(training, epoch_images=100, coarse=False, chain=chain)
    (control,) = extras["regularizers"]
    assert control.chain is chain
    assert values == {"weight": control.factor(0)} | {
        key: getattr(control, key) for key in values if key != "weight"
    }


@pytest.mark.parametrize(
    ("features", "p"),
    [
        ({}, None),
        (
            {"loss": "hinge", "weight": 0.7, "interval": 3, "start_kimg": 2.5, "vanishes_at": 0.6},
            None,
        ),
        ({"p": 0.3}, 0.3),
        ({"p": 0.0}, 0.0),
    ],
)
def test_what_a_critic_adds_takes_its_settings(features: dict[str, Any], p: float | None) -> None:
    layer = {"features": features, "augment": {"preset": "color"}}
    config = resolve(build_config([layer]), RunFacts(Resolution.of(16), 100, "cpu"))
    critic = make_objective().critic
    objective = build_objective(config, critic, torch.device("cpu"))
    assert objective.critic is critic
    assert objective.loss is LOSSES[features.get("loss", "non_saturating")]
    assert objective.weight == features.get("weight", 0.1)
    assert objective.interval == features.get("interval", 1)
    assert objective.start_images == 1000 * features.get("start_kimg", 0)
    assert objective.vanishes_at == features.get("vanishes_at")
    if p is None:
        assert objective.pipe is None
        return
    assert objective.pipe is not None
    assert objective.pipe.p.item() == pytest.approx(p)
    groups = objective.pipe.sample((2, 3, 8, 8), torch.Generator())
    assert groups.keys() == build_pipe(config.augment).sample((2, 3, 8, 8)).keys()


def test_a_value_moves_over_the_schedule_of_the_run() -> None:
    schedule = moving(section(schedule_kimg=2), 3.0, 1.0)
    assert [schedule(images) for images in (0, 1000, 2000, 9000)] == pytest.approx([3, 2, 1, 1])
