"""What is allowed and makes no sense is named; what is shipped and what is chosen unasked is not."""

from typing import Any

import pytest

from adavit.config.auto import RunFacts, resolve
from adavit.config.features import FeaturesConfig
from adavit.config.layers import build_config, preset_names, read_preset
from adavit.config.microbatches import with_microbatch
from adavit.config.plausibility import RANGES, absurd_settings
from adavit.config.run import ResolvedConfig
from adavit.runtime.resolution import Resolution


def resolved(*layers: dict[str, Any], resolution: int = 32, device: str = "cpu") -> ResolvedConfig:
    facts = RunFacts(resolution=Resolution.of(resolution), training_images=2000, device=device)
    return resolve(build_config(layers), facts)


@pytest.mark.parametrize("name", [None, *preset_names()])
@pytest.mark.parametrize("resolution", [16, 1024])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_shipped_is_plausible(name: str | None, resolution: int, device: str) -> None:
    if (name, resolution) == ("smoke", 1024):
        return  # refused: no channel is left there
    layers = [] if name is None else [read_preset(name)]
    size = {"data": {"resolution": resolution}}
    assert absurd_settings(resolved(*layers, size, resolution=resolution, device=device)) == []


@pytest.mark.parametrize("kind", ["resnet", "vit"])
@pytest.mark.parametrize("key", RANGES)
def test_each_is_named_with_its_value_where_it_is_absurd(key: str, kind: str) -> None:
    section, name = key.split(".")
    usual = RANGES[key]
    if kind == "resnet" and key in ("training.masked_patch_weight", "training.distill_weight"):
        return  # refused
    for value in (usual.high * 2, usual.low / 2, usual.low, usual.high):
        layers = [{"discriminator": {"kind": kind}}, {section: {name: value}} if value else {}]
        found = absurd_settings(resolved(*layers))
        if usual.low <= value <= usual.high:
            assert found == []
        else:
            (sentence,) = found
            assert sentence.startswith(f"{key} is {value:g}, far outside of {usual.low:g} to")


def test_the_penalty_of_a_slipped_exponent_is_named() -> None:
    assert absurd_settings(resolved({"training": {"r1_gamma": 1e38, "generator_lr": 1e30}})) == [
        "training.generator_lr is 1e+30, far outside of 1e-07 to 0.1, beyond which the network"
        " diverges within steps. Check the number.",
        "training.r1_gamma is 1e+38, far outside of 0 to 10000, beyond which the loss is nothing"
        " else, and may overflow. Check the number.",
    ]


def test_layers_that_are_frozen_untrained_are_named() -> None:
    vit = {"discriminator": {"kind": "vit"}}
    frozen = {"training": {"freeze_d": 2}}
    (sentence,) = absurd_settings(resolved(vit, frozen))
    assert sentence.startswith(
        "training.freeze_d is 2, but the discriminator starts from no trained"
    )
    assert sentence.endswith("--transfer or --init-discriminator, or leave --freeze-d out.")
    for start in ({"transfer": "runs/a"}, {"init_discriminator": "trunk.safetensors"}):
        assert absurd_settings(resolved(vit, frozen, {"training": start})) == []
    assert absurd_settings(resolved(vit)) == []


def test_settings_of_a_critic_that_is_not_there_are_named() -> None:
    assert absurd_settings(resolved({"features": {"side": 64, "seen": ["some network"]}})) == []
    critic = {"features": {"p": 0.3, "side": 96, "network": "torchvision:resnet18"}}
    assert absurd_settings(resolved(critic)) == []
    for settings, expected in (
        ({"p": 0.3}, "features.p is given, but no critic that it could change"),
        ({"side": 96, "maps": 1}, "features.side and features.maps are given, but no critic"),
    ):
        (sentence,) = absurd_settings(resolved({"features": settings}))
        assert sentence.startswith(expected)
        assert sentence.endswith("Give --features, or leave it out.")


def test_what_a_preset_says_of_a_critic_counts_where_there_is_one() -> None:
    preset = read_preset("few-images")
    assert resolved(preset, {"features": {"network": "torchvision:resnet18"}}).features == (
        FeaturesConfig(
            network="torchvision:resnet18",
            side=64,
            mixing="none",
            normalization="none",
            minibatch_std_group=4,
            vanishes_at=0.5,
        )
    )
    assert absurd_settings(resolved(preset)) == []
    (sentence,) = absurd_settings(resolved(preset, {"features": {"vanishes_at": 0.4}}))
    assert sentence.startswith("features.vanishes_at is given, but no critic that it could change")


def test_a_group_that_was_chosen_for_other_slices_is_nothing_that_was_given() -> None:
    config = with_microbatch(resolved({"training": {"batch": 8, "microbatch": 2}}), 8)
    assert config is not None
    assert config.features.minibatch_std_group == 2
    assert absurd_settings(config) == []


def test_a_critic_that_begins_when_the_run_is_over_is_named() -> None:
    for start, expected in ((39.5, []), (40, ["40, but the run ends at 40 kimg"])):
        features = {"network": "torchvision:resnet18", "start_kimg": start}
        found = absurd_settings(resolved({"features": features, "training": {"total_kimg": 40}}))
        assert [sentence[len("features.start_kimg is ") :][:31] for sentence in found] == expected


def test_a_warm_up_that_is_as_long_as_the_run_is_named() -> None:
    vit = {"discriminator": {"kind": "vit"}}
    for warmup, total in ((1.9, 2), (2, 2), ("auto", 0.5)):
        given = {"training": {"warmup_kimg": warmup, "total_kimg": total}}
        expected = [
            "training.warmup_kimg is 2, but the run ends at 2 kimg, so both steps stay below generator_lr and"
            " discriminator_lr throughout. Lower it, or give a larger --kimg."
        ]
        assert absurd_settings(resolved(vit, given)) == (expected if warmup == 2 else [])


@pytest.mark.parametrize(
    ("augment", "named"),
    [
        ({"mode": "fixed", "p": 0.49}, False),
        ({"mode": "fixed", "p": 0.5}, True),
        ({"mode": "fixed", "p": 1, "preset": "diffaug"}, True),
        ({"mode": "ada"}, False),
        ({"mode": "none"}, False),
        ({"mode": "scheduled", "p": 0.8, "schedule_kimg": 10}, False),
    ],
)
def test_a_critic_that_the_generator_never_follows_is_named(
    augment: dict[str, Any], named: bool
) -> None:
    critic = {"features": {"network": "torchvision:resnet18", "vanishes_at": 0.5}}
    found = absurd_settings(resolved(critic, {"augment": augment}))
    expected = f"features.vanishes_at is 0.5, but p is fixed at {augment.get('p')}, so"
    assert [sentence[: len(expected)] for sentence in found] == [expected] * named
