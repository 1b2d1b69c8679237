"""Every option of the sections `training` and `features` changes something, and every preset makes steps."""

from typing import Any

import numpy as np
import pytest
import torch

from adavit.build.augmentation import build_probability
from adavit.config.auto import RunFacts, resolve
from adavit.config.features import FeaturesConfig
from adavit.config.layers import build_config, preset_names, read_preset
from adavit.config.training import TrainingConfig
from adavit.data import Split
from adavit.data.image_set import ImageSet
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution
from adavit.training.passes.streams import StepStreams
from adavit.training.start.build import build_step
from adavit.training.start.workload import Workload
from tests.small_weights import write_mobilenet

IMAGES = 24
BATCH = 4
Layer = dict[str, dict[str, Any]]
SMALL: Layer = {
    "data": {"resolution": 8},
    "generator": {"latent_dim": 6, "style_dim": 6, "channel_base": 64, "channel_max": 8},
    "discriminator": {"kind": "vit", "patch": 2, "width": 16, "heads": 2, "depth": 1},
    "augment": {"mode": "fixed", "p": 0.7},
    "training": {
        "batch": BATCH,
        "r1_gamma": 0.1,
        "r1_interval": 1,
        "total_kimg": 0.1,
        "warmup_kimg": 0,
        "discriminator_lr": 0.01,
    },
}
FACTS = RunFacts(resolution=Resolution.of(8), training_images=IMAGES, device="cpu")


def workload(*layers: Layer, classes: int = 0) -> Workload:
    """Of noise, with so many classes that the networks are told."""
    pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 3, 8, 8), np.uint8)
    return Workload(
        config=resolve(build_config([*layers, {"data": {"cond": classes > 0}}]), FACTS),
        image_set=ImageSet(
            "noise", pixels, None, tuple(map(str, range(classes))), "", (), "noise", ()
        ),
        split=Split(train=np.arange(IMAGES), heldout=np.arange(0)),
        device=torch.device("cpu"),
    )


def outcome(*layers: Layer, steps: int = 3, epochs: int = 0) -> torch.Tensor:
    """All weights after a few steps, some epochs into a run."""
    load = workload(*layers)
    step = build_step(load)
    step.set_p(0.7)
    real = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for index in range(steps):
        images = epochs * IMAGES + index * BATCH
        assert step(real, None, images=images, streams=StepStreams.at(0, images)).finite
        if step.pseudo is not None:  # speed up what takes thousands of images
            step.pseudo.p = 0.5
    networks = (step.generator, step.judges, step.average.module)
    return torch.cat([p.flatten() for network in networks for p in network.parameters()])


# What must be on for the option to matter, and the option.
OPTIONS: dict[str, tuple[dict[str, Any], Any]] = {
    "microbatch": ({}, 2),
    "precision": ({}, "bf16"),
    "freeze_d": ({}, 1),
    "generator_lr": ({}, 0.1),
    "discriminator_lr": ({}, 0.1),
    "adam_beta1": ({}, 0.5),
    "adam_beta2": ({}, 0.5),
    "warmup_kimg": ({}, 1),
    "schedule_kimg": ({"final_lr_factor": 0.1}, 0.01),
    "final_lr_factor": ({"schedule_kimg": 0.01}, 0.1),
    "final_gamma_factor": ({"schedule_kimg": 0.01}, 0.1),
    "final_beta2": ({"schedule_kimg": 0.01}, 0.5),
    "loss": ({}, "hinge"),
    "san": ({}, True),
    "penalty": ({}, "approximate"),
    "penalty_sigma": ({"penalty": "approximate"}, 0.2),
    "r1_gamma": ({}, 3),
    "r1_interval": ({}, 2),
    "r2_gamma": ({}, 3),
    "r2_interval": ({"r2_gamma": 1}, 2),
    "gradient_penalty": ({}, 10),
    "drift": ({}, 1),
    "path_length": ({}, 2),
    "path_length_interval": ({"path_length": 2}, 2),
    "path_length_decay": ({"path_length": 2, "path_length_interval": 1}, 0.9),
    "style_mixing": ({}, 0.9),
    "bcr_real": ({}, 10),
    "bcr_generated": ({}, 10),
    "zcr_discriminator": ({}, 5),
    "zcr_generator": ({}, 5),
    "zcr_noise": ({"zcr_generator": 1}, 0.5),
    "lecam": ({}, 1),
    "lecam_decay": ({"lecam": 1}, 0.1),
    "apa_p_max": ({}, 0.5),
    "top_k": ({}, 0.5),
    "ema_half_life_kimg": ({"ema_ramp": None}, 0.001),
    "initial_ema_factor": ({"ema_ramp": None, "ema_half_life_kimg": 0.01, "schedule_kimg": 0.1}, 0),
    "ema_ramp": ({}, 0.9),
}
# The same of a critic on frozen features. What each of them does to it is held by the tests of what they build.
FEATURES: dict[str, Any] = {
    "network": None,
    "side": 64,
    "maps": 1,
    "mixing": "scales",
    "width": 8,
    "normalization": "batch",
    "minibatch_std_group": 2,
    "weight": 0.5,
    "vanishes_at": 0.9,
    "interval": 2,
    "start_kimg": 0.004,
    "loss": "hinge",
    "p": 0.7,  # drawn for it alone
    "mean": (0.1, 0.2, 0.3),
    "std": (0.3, 0.2, 0.1),
}
ELSEWHERE_OF_FEATURES = {
    "class_token",  # of transformers
    "seen",  # changes nothing
}
ELSEWHERE = {
    "total_kimg",
    "batch",
    *("compile", "graphs", "deterministic", "fast_reduce"),  # change nothing but speed
    "transfer",
    "init_discriminator",
    "masked_patch_weight",  # adds weights
    "distill_weight",
    "distill_network",
    "distill_width",
    "apa_target",
    "apa_speed_kimg",
    *("chain_weight", "chain_p0", "chain_target", "chain_start_kimg", "chain_speed_kimg"),
}
"""These have tests of their own."""


def test_every_option_is_listed() -> None:
    assert OPTIONS.keys() | ELSEWHERE == TrainingConfig.model_fields.keys()
    assert FEATURES.keys() | ELSEWHERE_OF_FEATURES == FeaturesConfig.model_fields.keys()


def test_masked_patches_change_the_trunk_and_fade_out() -> None:
    def after(weight: float, images: int) -> dict[str, torch.Tensor]:
        step = build_step(workload(SMALL, {"training": {"masked_patch_weight": weight}}))
        real = torch.rand(BATCH, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
        result = step(real, None, images=images, streams=StepStreams.at(0, images))
        assert ("masked_patch_accuracy" in result.losses) == (weight > 0)
        return dict(step.discriminator.named_parameters())

    def gradients(weight: float, images: int) -> dict[str, torch.Tensor]:
        found = {name: p.grad for name, p in after(weight, images).items()}
        return {name: g for name, g in found.items() if g is not None}

    for images, same in ((0, False), (100, True)):  # 0.1 kimg is the end of the schedule
        without, found = gradients(0, images), gradients(0.5, images)
        assert {name for name in found if name not in without} == {
            "masked_patches.mask_token",
            "masked_patches.classes.weight",
            "masked_patches.classes.bias",
        }
        trunk = "encoder.blocks.0.mlp.0.weight"
        assert torch.allclose(without[trunk], found[trunk], rtol=1e-4, atol=1e-7) == same
        torch.testing.assert_close(without["head.dense.weight"], found["head.dense.weight"])
        assert bool(found["masked_patches.classes.bias"].any()) != same


@pytest.mark.parametrize("key", OPTIONS)
def test_an_option_changes_the_weights(key: str) -> None:
    needed, value = OPTIONS[key]
    base: Layer = {"training": needed}
    epochs = 70 if key == "top_k" else 0
    before = outcome(SMALL, base, epochs=epochs)
    after = outcome(SMALL, base, {"training": {key: value}}, epochs=epochs)
    assert not torch.equal(before, after)


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layer, torch.Tensor]:
    """A critic, and the weights after steps with it."""
    network = write_mobilenet(tmp_path_factory.mktemp("weights") / "mobile.pth")
    layer: Layer = {"features": {"network": network, "side": 32, "width": 4}}
    before = outcome(SMALL, layer)
    assert torch.equal(before, outcome(SMALL, layer))
    return layer, before


@pytest.mark.parametrize("key", FEATURES)
def test_an_option_of_the_critic_changes_the_weights(
    key: str, seeing: tuple[Layer, torch.Tensor]
) -> None:
    layer, before = seeing
    after = outcome(SMALL, layer, {"features": {key: FEATURES[key]}})
    assert not torch.equal(before, after)


@pytest.mark.parametrize("loss", ["hinge", "relativistic", "wasserstein"])
def test_the_losses_differ(loss: str) -> None:
    layers = [SMALL, {"training": {"r2_gamma": 0, "loss": "non_saturating"}}]
    assert not torch.equal(outcome(*layers), outcome(*layers, {"training": {"loss": loss}}))


def test_frozen_layers_keep_their_weights_and_the_rest_moves() -> None:
    load = workload(SMALL, {"training": {"freeze_d": 1}})
    step = build_step(load)
    before = {name: p.clone() for name, p in step.discriminator.named_parameters()}
    real = torch.rand(BATCH, 3, 8, 8) * 2 - 1
    step(real, None, images=0, streams=StepStreams.at(0, 0))
    moved = {n for n, p in step.discriminator.named_parameters() if not torch.equal(p, before[n])}
    frozen = {n for n, p in step.discriminator.named_parameters() if not p.requires_grad}
    later = ("blocks.", "norm.", "head.")
    assert frozen == {name for name in before if not any(part in name for part in later)}
    assert len(frozen) == 4  # class token, positions, weight and bias of the patches
    assert moved
    assert not moved & frozen


def test_apa_takes_its_target_and_speed() -> None:
    changed = {"apa_p_max": 0.4, "apa_target": 0.1, "apa_speed_kimg": 7}
    rule = build_step(workload(SMALL, {"training": changed})).pseudo.probability
    assert (rule.p_max, rule.target, rule.speed_kimg, rule.heuristic) == (0.4, 0.1, 7, "rt")
    changed["loss"] = "relativistic"
    rule = build_step(workload(SMALL, {"training": changed})).pseudo.probability
    assert rule.heuristic == "relative"


@pytest.mark.parametrize(
    ("loss", "given", "heuristic", "warns"),
    [
        ("non_saturating", {}, "rt", False),
        ("hinge", {}, "rt", False),
        ("relativistic", {}, "relative", False),
        ("wasserstein", {}, "relative", False),
        ("relativistic", {"heuristic": "rt"}, "rt", True),
        ("wasserstein", {"heuristic": "rt"}, "rt", True),
        ("wasserstein", {"heuristic": "rv"}, "rv", False),
    ],
)
def test_the_heuristic_follows_the_loss(
    loss: str, given: dict[str, str], heuristic: str, warns: bool
) -> None:
    layers = [SMALL, {"training": {"loss": loss}, "augment": {**given, "mode": "ada", "p": None}}]
    config = resolve(build_config(layers), FACTS)
    assert config.augment.heuristic == heuristic
    from adavit.config.training import LOSSES_WITHOUT_THRESHOLD

    threshold = config.training.loss not in LOSSES_WITHOUT_THRESHOLD
    found = build_probability(config.augment, threshold_at_zero=threshold).alarms()
    assert any("r_t is undefined for this loss" in text for text in found.values()) is warns


def test_both_gammas_go_with_the_relativistic_loss_and_one_bound_is_enough() -> None:
    relativistic = resolve(build_config([SMALL, {"training": {"loss": "relativistic"}}]), FACTS)
    assert relativistic.training.r2_gamma == relativistic.training.r1_gamma == 0.1
    assert resolve(build_config([SMALL]), FACTS).training.r2_gamma == 0
    bounded = {"training": {"gradient_penalty": 10.0, "r1_gamma": "auto"}}
    assert resolve(build_config([SMALL, bounded]), FACTS).training.r1_gamma == 0


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_noise_of_approximate_penalties_follows_the_rounding(
    device: str, precision: str
) -> None:
    facts = RunFacts(resolution=Resolution.of(8), training_images=IMAGES, device=device)
    chosen = resolve(build_config([SMALL, {"training": {"precision": precision}}]), facts)
    fine = (device, precision) == ("cpu", "float32")
    assert chosen.training.penalty_sigma == (0.01 if fine else 0.1)
    load = workload(SMALL, {"training": {"precision": precision, "penalty": "approximate"}})
    (regularizer,) = build_step(load).regularizers
    assert regularizer.central is (precision == "bf16")


def test_transfer_asks_for_a_quick_p_and_an_average_without_a_ramp() -> None:
    usual = resolve(build_config([{}]), FACTS)
    layer: Layer = {"training": {"transfer": "somewhere"}}
    chosen = resolve(build_config([layer]), FACTS)
    assert (usual.augment.speed_kimg, usual.training.ema_ramp) == (200, 0.05)
    assert (chosen.augment.speed_kimg, chosen.training.ema_ramp) == (100, None)
    given: Layer = {"training": {"ema_ramp": 0.1}, "augment": {"speed_kimg": 50}}
    chosen = resolve(build_config([layer, given]), FACTS)
    assert (chosen.augment.speed_kimg, chosen.training.ema_ramp) == (50, 0.1)


def test_a_scheduled_p_needs_its_end_and_its_length() -> None:
    layer: Layer = {"augment": {"mode": "scheduled", "p": 0.5, "schedule_kimg": 1}}
    probability = build_probability(resolve(build_config([layer]), FACTS).augment)
    seen = [probability.p]
    for _ in range(4):
        probability.update(train=torch.ones(2), generated=torch.zeros(2), images=250)
        seen.append(probability.p)
    assert seen == pytest.approx([0, 0.0732, 0.25, 0.4268, 0.5], abs=1e-4)
    with pytest.raises(UserError, match=r"augment.mode is scheduled, but augment.p is not given"):
        build_config([{"augment": {"mode": "scheduled", "schedule_kimg": 1}}])
    with pytest.raises(UserError, match=r"augment.schedule_kimg is None, but .* scheduled"):
        build_config([{"augment": {"mode": "scheduled", "p": 1}}])
    with pytest.raises(UserError, match=r"augment.schedule_kimg is 3.0, but augment.mode is ada"):
        build_config([{"augment": {"schedule_kimg": 3}}])


@pytest.mark.parametrize("loss", ["relativistic", "wasserstein"])
def test_lecam_needs_a_loss_with_a_level(loss: str) -> None:
    with pytest.raises(UserError, match=f"training.lecam is 0.1, but training.loss is {loss}"):
        build_config([{"training": {"lecam": 0.1, "loss": loss}}])


TINY_NETWORKS: dict[str, dict[str, Any]] = {
    "vit": {"patch": 2, "width": 16, "heads": 2, "depth": 1},
    "resnet": {"channel_base": 64, "channel_max": 8},
}


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_makes_steps(name: str) -> None:
    preset = read_preset(name)
    kind = preset.get("discriminator", {}).get("kind", "resnet")
    group = min(preset.get("discriminator", {}).get("minibatch_std_group", BATCH), BATCH)
    small: Layer = {
        "data": {"resolution": 8},
        "generator": SMALL["generator"],
        "discriminator": {"kind": kind, **TINY_NETWORKS[kind], "minibatch_std_group": group},
        "training": {"batch": BATCH},
    }
    assert torch.isfinite(outcome(preset, small, steps=5)).all()


def test_the_presets_name_what_they_take() -> None:
    expected = {
        "auto",
        "vit",
        "vitgan",
        "transgan",
        "r3gan",
        "diffaug-lowshot",
        "few-images",
        "stylegan2-ada",
    }
    assert expected <= set(preset_names())
    training = resolve(build_config([read_preset("r3gan")]), FACTS).training
    assert (training.loss, training.r1_gamma, training.r2_gamma) == ("relativistic", 0.05, 0.05)
    step = build_step(workload(read_preset("r3gan"), {"data": {"resolution": 8}}))
    assert [regularizer.name for regularizer in step.regularizers] == ["r1", "r2"]
    assert [regularizer.factor(20_000_000) for regularizer in step.regularizers] == pytest.approx(
        [0.0025, 0.0025]
    )
    assert step.beta2(0) == 0.9
    assert step.beta2(20_000_000) == pytest.approx(0.99)
    step = build_step(workload(read_preset("stylegan2-ada"), SMALL))
    assert [regularizer.name for regularizer in step.regularizers] == ["r1", "path_length_penalty"]
    assert step.compute.mixing.probability == 0.9


def test_masked_patches_need_a_vit() -> None:
    with pytest.raises(UserError, match="kind is resnet, which has no patches"):
        build_config([{"training": {"masked_patch_weight": 0.1}}])


def test_a_run_has_one_start() -> None:
    layer = {"transfer": "run", "init_discriminator": "trunk.safetensors"}
    with pytest.raises(UserError, match="both given, expected one"):
        build_config([{"discriminator": {"kind": "vit"}, "training": layer}])
