"""What a user may write and what a run holds."""

import pickle
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from adavit.config.auto import RunFacts, resolve
from adavit.config.pretraining import PretrainConfig
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.section import AUTO, ConfigModel
from adavit.runtime.resolution import Resolution

FACTS = RunFacts(resolution=Resolution.of(32), training_images=2000, device="cpu")


def sections(config: type[ConfigModel]) -> Iterator[tuple[str, type[ConfigModel]]]:
    for name, field in config.model_fields.items():
        members = get_args(field.annotation) or (field.annotation,)
        for member in members:
            yield name, (get_args(member) or (member,))[0]


@pytest.mark.parametrize("config", [RunConfig, ResolvedConfig, PretrainConfig])
def test_every_field_has_a_description(config: type[ConfigModel]) -> None:
    found = list(sections(config))
    assert len(found) >= 4
    for section, model in found:
        for name, field in model.model_fields.items():
            assert field.description or name == "kind", f"{section}.{name}"


def test_what_a_run_holds_needs_every_value_that_may_be_left_open() -> None:
    complete = resolve(RunConfig(), FACTS).as_dict()
    for section, model in sections(ResolvedConfig):
        if section == "discriminator" and model.__name__ != "ResNetConfig":
            continue
        for name in model.fields_that_may_be_open():
            for value in ({}, {name: AUTO}):
                left = {key: kept for key, kept in complete[section].items() if key != name}
                with pytest.raises(ValidationError) as caught:
                    ResolvedConfig.model_validate({**complete, section: left | value})
                assert {error["type"] for error in caught.value.errors()} == {"missing"}


def test_what_a_user_writes_leaves_open_exactly_what_auto_chooses() -> None:
    for section, model in sections(RunConfig):
        layer = {"kind": model.model_fields["kind"].default} if section == "discriminator" else {}
        critic = {"features": {"network": "torchvision:resnet18"}}  # some discriminators need one
        written = RunConfig.model_validate({**critic, section: layer})
        for name in model.model_fields:
            is_open = name in model.fields_that_may_be_open()
            assert written.is_known(f"{section}.{name}") is not is_open
            if is_open:
                assert written.given(f"{section}.{name}") is None
                assert getattr(getattr(written, section), name) == AUTO


def test_a_value_that_is_given_is_held_to_its_bounds_although_it_may_be_left_open() -> None:
    for value in (0, -1, "many", None, 1.5):
        with pytest.raises(ValidationError):
            RunConfig.model_validate({"training": {"batch": value}})


def test_a_mistake_in_one_section_hides_no_rule_of_another() -> None:
    layers: dict[str, Any] = {
        "training": {"batch": 30, "microbatch": 8, "loss": "wasserstein", "lecam": 0.1},
        "augment": {"mode": "fixed", "schedule_kimg": 3},
    }
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(layers)
    text = "\n".join(error["msg"] for error in caught.value.errors())
    for rule in ("multiple of training.microbatch", "LeCam", "augment.p is not", "schedule_kimg"):
        assert rule in text


def test_the_two_types_are_not_one_another() -> None:
    resolved = resolve(RunConfig(), FACTS)
    assert not isinstance(resolved, RunConfig)
    assert not isinstance(RunConfig(), ResolvedConfig)


def test_both_configurations_can_be_pickled() -> None:
    config = RunConfig(discriminator={"kind": "vit"}, training={"total_kimg": 3})
    for each in (config, resolve(config, FACTS)):
        assert pickle.loads(pickle.dumps(each)) == each


def test_the_public_example_works() -> None:
    config = RunConfig(data={"source": "small_set"}, training={"total_kimg": 20})
    assert config.training.total_kimg == 20
    assert resolve(config, FACTS).training.batch == 16


PROJECTED = {
    "discriminator": {"kind": "projected"},
    "features": {"network": "torchvision:resnet18"},
}


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("features", {"network": None}, "features.network names none. Name one"),
        ("features", {"p": 0.3}, "features.p is 0.3, a setting of a critic beside"),
        ("features", {"loss": "hinge"}, "--set training.loss"),
        ("features", {"interval": 2}, "features.interval is 2, a setting of a critic beside"),
        ("features", {"start_kimg": 2}, "features.start_kimg is 2.0, a setting of a critic beside"),
        ("features", {"vanishes_at": 1}, "features.vanishes_at is 1.0, a setting of a critic"),
        ("features", {"vanishes_at": 1}, "or where a preset gives it set it to null"),
        ("training", {"freeze_d": 2}, "whose network is frozen already"),
        ("training", {"r1_gamma": 1.0}, "a gradient penalty differentiates it twice"),
        (
            "training",
            {"r1_gamma": 1.0},
            r"allow\. Use training\.penalty=approximate, or leave out r1",
        ),
        ("training", {"gradient_penalty": 10.0}, "a gradient penalty differentiates it twice"),
        (
            "training",
            {"gradient_penalty": 10.0, "penalty": "approximate", "r1_gamma": 1.0},
            r"need not allow\. Set training\.gradient_penalty to 0\.",
        ),
        (
            "training",
            {"gradient_penalty": 10.0, "r1_gamma": 1.0},
            r"leave out r1_gamma and r2_gamma\. Set training\.gradient_penalty to 0\.",
        ),
        ("training", {"masked_patch_weight": 1.0}, "which has no patches"),
    ],
)
def test_what_a_projected_discriminator_cannot_do_is_told(
    section: str, values: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {**PROJECTED, section: {**PROJECTED.get(section, {}), **values}}
    with pytest.raises(ValidationError, match=message):
        resolve(RunConfig.model_validate(given), RunFacts(Resolution.of(32), 100, "cpu"))


@pytest.mark.parametrize("p", [0, 0.5, 1, None])
def test_a_critic_cannot_see_less_of_operations_that_are_always_on(p: float | None) -> None:
    features = {"network": "torchvision:resnet18", "p": p}
    always = {"mode": "fixed", "p": 1, "preset": "diffaug"}
    for augment, refused in ((always, p in (0, 0.5)), ({**always, "preset": "bgc"}, False)):
        layer = {"features": features, "augment": augment}
        if refused:
            with pytest.raises(ValidationError, match="diffaug, which is always on"):
                RunConfig.model_validate(layer)
        else:
            RunConfig.model_validate(layer)


@pytest.mark.parametrize(
    ("layer", "images"),
    [
        ({"discriminator": {"minibatch_std_group": 4}}, 4),
        ({"discriminator": {"minibatch_std_group": 0}}, 1),
        ({"discriminator": {"kind": "vit", "minibatch_std_group": 8}}, 8),
        ({**PROJECTED, "features": {**PROJECTED["features"], "minibatch_std_group": 2}}, 2),
    ],
)
def test_images_of_a_deviation_are_those_of_what_judges(layer: dict[str, Any], images: int) -> None:
    config = resolve(RunConfig.model_validate(layer), FACTS)
    assert config.images_of_a_deviation == images


def test_a_projected_discriminator_has_no_r1_unless_it_is_approximate() -> None:
    facts = RunFacts(Resolution.of(32), 100, "cpu")
    assert resolve(RunConfig.model_validate(PROJECTED), facts).training.r1_gamma == 0
    given = {**PROJECTED, "training": {"r1_gamma": 1.0, "penalty": "approximate"}}
    assert resolve(RunConfig.model_validate(given), facts).training.r1_gamma == 1


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            {
                "discriminator": {"kind": "resnet", "minibatch_std_group": 4},
                "training": {"batch": 24, "microbatch": 6},
            },
            "discriminator.minibatch_std_group is 4, but must divide training.microbatch (6), the images that"
            " are computed at a time. Use 3, or a training.microbatch that 4 divides.",
        ),
        (
            {
                "discriminator": {"kind": "vit", "minibatch_std_group": 8},
                "training": {"batch": 20},
            },
            "discriminator.minibatch_std_group is 8, but must divide training.batch (20), the images that"
            " are computed at a time. Use 5, or a training.batch that 8 divides.",
        ),
        (
            {
                "features": {"network": "torchvision:resnet18", "minibatch_std_group": 4},
                "training": {"microbatch": 2},
            },
            "features.minibatch_std_group is 4, but must divide training.microbatch (2), the images that"
            " are computed at a time. Use 2, or a training.microbatch that 4 divides.",
        ),
    ],
)
def test_groups_that_do_not_divide_what_is_computed_at_a_time_are_refused(
    layer: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        resolve(RunConfig.model_validate(layer), RunFacts(Resolution.of(32), 100, "cpu"))
    assert message in str(raised.value)


def test_groups_of_a_critic_that_is_not_there_are_not_looked_at() -> None:
    layer = {"features": {"minibatch_std_group": 4}, "training": {"microbatch": 2}}
    config = resolve(RunConfig.model_validate(layer), RunFacts(Resolution.of(32), 100, "cpu"))
    assert config.discriminator.minibatch_std_group == 2  # chosen, for there is a microbatch
