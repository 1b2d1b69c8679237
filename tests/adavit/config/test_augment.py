"""The section `augment`, written out, against the pipe whose operations and magnitudes it names."""

import re
from typing import Any

import pytest

from adavit.augment import AugmentPipe
from adavit.augment.settings import MAGNITUDES, OPERATIONS
from adavit.config.augment import PRESET_NAMES, AugmentConfig
from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, preset_names, read_preset
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.runtime.resolution import Resolution

FACTS = RunFacts(resolution=Resolution.of(32), training_images=2000, device="cpu")


def test_every_operation_and_magnitude_of_the_pipe_is_a_key_in_its_order() -> None:
    fields = list(AugmentConfig.model_fields)
    first = fields.index("xflip")
    assert fields[first : first + len(OPERATIONS) + len(MAGNITUDES)] == [*OPERATIONS, *MAGNITUDES]
    AugmentPipe(**dict.fromkeys(OPERATIONS, 0.5), **MAGNITUDES)


def test_the_words_name_the_published_magnitudes() -> None:
    for name, published in MAGNITUDES.items():
        description = AugmentConfig.model_fields[name].description
        assert description is not None
        shown = published if isinstance(published, tuple) else f"{published:g}"
        assert description.endswith(f"auto: {shown}, as published.")
    chosen = resolve(RunConfig(), FACTS).augment
    assert {name: getattr(chosen, name) for name in MAGNITUDES} == MAGNITUDES


BLIT, GEOM, COLOR = OPERATIONS[:3], OPERATIONS[3:7], OPERATIONS[7:12]
SWITCHED_ON = {
    "blit": BLIT,
    "geom": GEOM,
    "color": COLOR,
    "filter": ("imgfilter",),
    "noise": ("noise",),
    "cutout": ("cutout",),
    "diffusion": ("diffusion",),
    "bg": OPERATIONS[:7],
    "bgc": OPERATIONS[:12],
    "bgcf": OPERATIONS[:13],
    "bgcfn": OPERATIONS[:14],
    "bgcfnc": OPERATIONS[:15],
    "diffaug": (),
}


@pytest.mark.parametrize("preset", PRESET_NAMES)
def test_multipliers_left_open_are_those_of_the_preset(preset: str) -> None:
    mode = {"mode": "fixed", "p": 1} if preset == "diffaug" else {}
    chosen = resolve(build_config([{"augment": {"preset": preset, **mode}}]), FACTS).augment
    for name in OPERATIONS:
        assert getattr(chosen, name) == (name in SWITCHED_ON[preset])


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"mode": "fixed"}, "augment.p is not given. Give --p"),
        ({"mode": "scheduled", "p": 0.4}, "augment.schedule_kimg is None, but .* scheduled"),
        ({"schedule_kimg": 2}, "augment.schedule_kimg is 2.0, but augment.mode is ada"),
        ({"p": 0.4}, "augment.p is 0.4, but augment.mode is ada. .* augment.initial_p"),
        ({"mode": "none", "p": 0.4}, "augment.mode is none. Use --aug fixed, or leave --p out"),
        ({"mode": "none", "p": 0.4}, "or where a preset gives it set it to null"),
        ({"schedule_kimg": 2}, "or where a preset gives it set it to null"),
        (
            {"mode": "scheduled", "p": 0.4},
            "Give it, for example --set augment.schedule_kimg=1000",
        ),
        ({"preset": "diffaug"}, "always on, but augment.mode is ada and augment.p None"),
        ({"preset": "diffaug", "mode": "fixed", "p": 1, "hue": 1}, "augment.hue is given, but"),
        (
            {"preset": "diffaug", "mode": "fixed", "p": 1, "hue_max": 0.5},
            "augment.hue_max is given",
        ),
        ({"initial_p": 0.9}, "augment.initial_p is 0.9, but must be at most augment.p_max"),
        (
            {"heuristic": "rv", "target": -0.5},
            r"augment\.target is -0\.5, but r_v, .* from 0 to 1\. Use --target 0\.5, or --heuristic rt\.",
        ),
        ({"heuristic": "rv", "target": 1.5}, "augment.target is 1.5, expected less than or eq"),
        (
            {"imgfilter_bands": [1, 1]},
            r"augment\.imgfilter_bands is \[1, 1\], expected a list of 4\.",
        ),
        ({"imgfilter_bands": []}, r"augment\.imgfilter_bands is \[\], expected a list of 4\."),
        ({"imgfilter_bands": [1] * 5}, "augment.imgfilter_bands is .*, expected a list of 4"),
        (
            {"imgfilter_bands": [2, 1, 1, 1]},
            "augment.imgfilter_bands is 2, expected less than or eq",
        ),
        (
            {"imgfilter_bands": [1, -1, 1, 1]},
            "augment.imgfilter_bands is -1, expected greater than",
        ),
        ({"imgfilter_bands": 1}, "augment.imgfilter_bands is 1, expected a list"),
    ],
)
def test_each_rule_speaks_for_itself(section: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([{"augment": section}])


@pytest.mark.parametrize(
    "section", [{"heuristic": "rv", "target": 0}, {"heuristic": "rt", "target": -0.5}]
)
def test_a_target_within_its_heuristic_is_taken(section: dict) -> None:
    assert resolve(build_config([{"augment": section}]), FACTS).augment.target == section["target"]


def remedies(line: str) -> list[dict[str, Any]]:
    """Settings of the section that a message names, each of which is to mend what it says."""
    key = re.match(r"augment\.(\w+) is", line)
    found: list[dict[str, Any]] = [
        {"mode": mode, **({"p": float(p)} if p else {})}
        for mode, p in re.findall(r"[Uu]se --aug (\w+)(?: --p (\S+\b))?", line)
    ]
    found += [{"p": float(p)} for p in re.findall(r"Give --p, for example --p ([\d.]+\d)", line)]
    found += [{name: 1000} for name in re.findall(r"example --set augment\.(\w+)=1000", line)]
    if key is not None and "set it to null" in line:
        found.append({key[1]: None})
    return found


def refusal(layers: list[dict[str, Any]]) -> str:
    """Why settings are refused; empty where they build."""
    try:
        build_config(layers)
    except UserError as error:
        return str(error)
    return ""


def check_remedies(layers: list[dict[str, Any]], *, left: int) -> None:
    """Follows each remedy that is named, whatever it leads to, so many times at the most."""
    refused = refusal(layers)
    assert left or not refused, f"{layers[1:]} end in: {refused}"
    for line in refused.splitlines():
        named = remedies(line)
        assert named, line
        for remedy in named:
            check_remedies([*layers, {"augment": remedy}], left=left - 1)


@pytest.mark.parametrize("mode", ["ada", "fixed", "scheduled", "none"])
@pytest.mark.parametrize("preset", preset_names())
def test_whichever_remedies_are_followed_settings_of_a_preset_build(preset: str, mode: str) -> None:
    check_remedies([read_preset(preset), {"augment": {"mode": mode}}], left=4)


ELASTIC = {"operation": "RandomElasticTransform", "p": 0.5, "alpha": [0.3, 0.3]}


@pytest.mark.parametrize(
    ("written", "held"),
    [
        ([ELASTIC], [ELASTIC]),
        (ELASTIC, [ELASTIC]),
        ("RandomHue", [{"operation": "RandomHue", "p": 1.0}]),
        (
            "RandomHue:0.5, RandomGrayscale",
            [{"operation": "RandomHue", "p": 0.5}, {"operation": "RandomGrayscale", "p": 1.0}],
        ),
        (
            "[{operation: RandomElasticTransform, p: .5, alpha: [.3, .3]}, RandomHue:0.2]",
            [ELASTIC, {"operation": "RandomHue", "p": 0.2}],
        ),
        ("", []),
    ],
    ids=str,
)
def test_extra_operations_may_be_written_as_a_list_or_in_short(
    written: object, held: list[dict]
) -> None:
    config = resolve(build_config([{"augment": {"extra": written}}]), FACTS)
    assert config.as_dict()["augment"]["extra"] == held
    assert ResolvedConfig.model_validate(config.as_dict()) == config


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"extra": "RandomElastic"},
            r"augment\.extra: .*no 'RandomElastic'; .*Did you mean Random",
        ),
        (
            {"extra": [{"operation": "RandomRotation", "degres": 3}]},
            r"augment\.extra: RandomRotation has no keyword 'degres'; .*Did you mean degrees",
        ),
        ({"extra": "RandomMixUpV2"}, r"augment\.extra: RandomMixUpV2 .* one image at a time"),
        ({"extra": "RandomHue:2"}, r"augment\.extra"),
        (
            {"extra": "[{operation: RandomHue, p: 0.5]"},
            r"^augment\.extra is '\[\{operation: RandomHue, p: 0\.5\]', which is not valid YAML, expected a list .*"
            r" Close each bracket",
        ),
        ({"extra": " {operation: RandomHue"}, "which is not valid YAML, expected a list"),
        (
            {"extra": "[{operation: RandomHue, p: 0.5, p: 1}]"},
            "which has the key 'p' twice, .* name each key of an entry once",
        ),
        ({"extra": 3}, r"augment\.extra"),
        ({"extra": [3]}, r"augment\.extra"),
        ({"extra": "RandomHue", "mode": "none"}, "augment.mode is none, which augments nothing"),
    ],
    ids=str,
)
def test_extra_operations_that_cannot_be_are_refused(section: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_config([{"augment": section}])
