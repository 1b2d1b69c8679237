from typing import Any

import pytest

from adavit.config.augment import AugmentConfig
from adavit.config.layers import Layer, build_config, preset_names, read_preset
from adavit.config.without_effect import UNUSED
from adavit.errors import UserError

MODES: dict[str, dict[str, Any]] = {
    "none": {"mode": "none"},
    "fixed": {"mode": "fixed", "p": 0.4},
    "scheduled": {"mode": "scheduled", "p": 0.4, "schedule_kimg": 5},
    "ada": {"mode": "ada"},
}


NONE = {"mode": "none", "p": None, "schedule_kimg": None}
"""The same whatever a preset gives for other modes."""


def flag(name: str, value: object) -> Layer:
    return Layer({"augment": {name: value}}, f"--{name}")


@pytest.mark.parametrize(
    ("mode", "name", "value"),
    [
        ("none", "target", 0.5),
        ("none", "heuristic", "rv"),
        ("none", "preset", "bg"),
        ("none", "hue", 1),
        ("none", "initial_p", 0.1),
        ("fixed", "target", 0.5),
        ("fixed", "initial_p", 0.1),
        ("scheduled", "heuristic", "rv"),
    ],
)
def test_a_flag_that_changes_nothing_is_refused(mode: str, name: str, value: object) -> None:
    remedy = f"Use --aug ada, or leave --{name} out" if mode == "none" else f"Leave --{name} out"
    message = rf"^augment\.{name} is .*, but augment\.mode is {mode}, .* nothing\. {remedy}\.$"
    for layers in (
        [{"augment": MODES[mode]}, flag(name, value)],
        [flag(name, value), {"augment": MODES[mode]}],
    ):
        with pytest.raises(UserError, match=message):
            build_config(layers)


@pytest.mark.parametrize("preset", preset_names())
def test_what_is_advised_instead_builds_over_each_preset(preset: str) -> None:
    layers, target = [read_preset(preset)], flag("target", 0.5)
    for chosen in (layers, [*layers, {"augment": {**NONE, "preset": "bg"}}]):
        try:
            build_config([*chosen, target])
        except UserError as error:
            build_config(chosen)  # with the flag left out
            if "--aug ada" in str(error):
                build_config([*chosen, target, {"augment": {"mode": "ada"}}])


def test_all_of_them_are_told_at_once() -> None:
    layers = [flag("mode", "none"), flag("target", 0.5), flag("heuristic", "rv")]
    with pytest.raises(UserError) as caught:
        build_config(layers)
    assert len(str(caught.value).splitlines()) == 2


def test_what_has_an_effect_and_what_is_left_open_stays() -> None:
    build_config([flag("mode", "ada"), flag("target", 0.5), flag("preset", "bg")])
    build_config([{"augment": MODES["scheduled"]}, flag("initial_p", 0.1), flag("preset", "bg")])
    build_config([{"augment": MODES["fixed"]}, flag("hue", 1)])
    build_config([flag("mode", "none"), flag("target", "auto")])


def test_presets_and_files_may_speak_of_other_modes() -> None:
    for values in ({"target": 0.5}, {"preset": "bg", "hue": 0.5}):
        file = Layer({"augment": values}, "it in --config 'mine.yaml'")
        assert build_config([file, flag("mode", "none")]).augment.mode == "none"
        assert build_config([{"augment": values}, flag("mode", "none")]).augment.mode == "none"


def test_the_keys_are_those_of_the_section() -> None:
    assert set().union(*UNUSED.values()) < set(AugmentConfig.model_fields)
