from pathlib import Path
from typing import Any

import pytest

from adavit.config.layers import build_config, parse_assignment, read_config_file
from adavit.config.mistakes import near_key
from adavit.config.settings import settings_of
from adavit.errors import UserError

KNOWN = [*settings_of(), *{key.partition(".")[0] for key in settings_of()}]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("training.r1_gama", "training.r1_gamma"),
        ("trainnig", "training"),
        ("trainig.batch", "training.batch"),
        ("training.batch_size", "training.batch"),
        ("augment.batch", "training.batch"),
        ("training.learning_rate", "training.generator_lr and training.discriminator_lr"),
        ("training.lr", "training.generator_lr and training.discriminator_lr"),
        ("training.warp_speed", None),
        ("nope", None),
        ("dataset.zzz", None),
    ],
)
def test_only_slips_are_taken_for_a_setting(key: str, meant: str | None) -> None:
    assert near_key(key, KNOWN) == meant


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"training": {"batch": "sixteen"}},
            "training.batch is 'sixteen', expected a whole number.",
        ),
        ({"training": {"batch": 2.5}}, "training.batch is 2.5, expected a whole number."),
        ({"data": {"mirror": "sometimes"}}, "data.mirror is 'sometimes', expected true or false."),
        ({"data": {"mirror": 1}}, "data.mirror is 1, expected true or false."),
        ({"training": {"batch": True}}, "training.batch is True, expected a whole number."),
        ({"features": {"mean": [0, True, 0]}}, "features.mean is True, expected a number."),
        (
            {"generator": {"noise": False}},
            "generator.noise is False, which is how YAML reads off and no, expected 'learned', 'bounded' or 'none'."
            " Change --set generator.noise, the flag or the file to none.",
        ),
        (
            {"features": {"mixing": False}},
            "features.mixing is False, which is how YAML reads off and no, expected 'none', 'channels' or 'scales'."
            " Change --set features.mixing, the flag or the file to none.",
        ),
        (
            {"generator": {"noise": True}},
            "generator.noise is True, which is how YAML reads on and yes, expected 'learned', 'bounded' or 'none'."
            " Change --set generator.noise, the flag or the file.",
        ),
        (
            {"data": {"fit": False}},
            "data.fit is False, which is how YAML reads off and no, expected 'crop', 'pad' or 'stretch'."
            " Change --set data.fit, the flag or the file.",
        ),
        ({"training": {"adam_beta1": "x"}}, "training.adam_beta1 is 'x', expected a number."),
        (
            {"discriminator": {"stem": "plain"}},
            "discriminator.stem is not a setting of the resnet discriminator, but of vit. Leave it out, or set"
            " discriminator.kind to vit.",
        ),
        ({"data": {3: 1}}, "data has the key 3, expected a name. Remove it, or write a setting;"),
        ({3: {}}, "the configuration has the key 3, expected a name. Remove it"),
        ({"run": {"out": 5}}, "run.out is 5, expected a path, in quotes where YAML would read"),
        (
            {"data": {"source": 5}},
            "data.source is 5, expected text, in quotes where YAML would read",
        ),
        ({"data": {"source": ""}}, "data.source is '', expected text that is not empty. Change"),
        (
            {"metrics": {"extractor": []}},
            "metrics.extractor is [], expected a list that is not empty.",
        ),
        ({"metrics": {"extractor": ["nope"]}}, "metrics.extractor is 'nope', expected 'auto', 'i"),
        ({"metrics": {"extractor": "nope"}}, "metrics.extractor is 'nope', expected 'auto', 'i"),
        ({"metrics": {"names": ["nope"]}}, "metrics.names is 'nope', expected 'fid' or 'kid'."),
        ({"features": {"std": ["x", 1, 1]}}, "features.std is 'x', expected a number."),
        (
            {"augment": {"imgfilter_bands": ["x", 1, 1, 1]}},
            "augment.imgfilter_bands is 'x', expect",
        ),
        ({"augment": {"extra": [3]}}, "augment.extra"),
        (
            {"augment": {"extra": [{"p": 1}]}},
            "augment.extra has an entry {'p': 1} without operation, expected one. Add it.",
        ),
        (
            {"run": {"budget": 90}},
            "run.budget is 90, expected numbers with units. Write for example 90s, 30m, 2h or 1h30m.",
        ),
        (
            {"run": {"memory": 8}},
            "run.memory is 8, expected a number with its unit. Write for example 8GB, 8GiB or 6000MB.",
        ),
        ({"features": {"std": [0.2]}}, "features.std is [0.2], expected a list of 3. Change"),
        (
            {"features": {"mean": [0, 0, 0, 0]}},
            "features.mean is [0, 0, 0, 0], expected a list of 3. Change",
        ),
        (
            {"discriminator": {"kind": "vit", "form": "plain"}},
            "discriminator.form is not a setting of the vit discriminator, but of resnet.",
        ),
    ],
)
def test_what_was_expected_is_said_in_words(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError) as caught:
        build_config([values])
    assert str(caught.value).startswith(expected)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("discriminator", "expected"),
    [
        ({"kind": "vitt", "patch": 4}, "discriminator.kind is 'vitt', expected resnet or vit or"),
        ({"kind": None}, "discriminator.kind is 'None', expected resnet or vit or projected."),
        ({"kind": ["vit"]}, """discriminator.kind is "['vit']", expected resnet or vit or"""),
        (["vit"], "discriminator is ['vit'], expected a section of keys."),
    ],
)
def test_what_is_no_kind_hides_no_other_mistake(discriminator: Any, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        build_config([{"discriminator": discriminator, "training": {"r1_gama": 1}}])
    first, second = str(caught.value).splitlines()
    assert first.startswith(expected)
    assert second == "training.r1_gama is not a setting. Did you mean training.r1_gamma?"


def test_what_is_to_be_changed_is_where_the_value_came_from(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {batch: 0, total_kimg: -1}\n")
    from_file, assigned = read_config_file(file), parse_assignment("training.batch=-2")
    with pytest.raises(UserError) as caught:
        build_config([from_file, assigned])
    first, second = sorted(str(caught.value).splitlines())
    assert first.startswith("training.batch is -2, ")
    assert first.endswith(" Change --set training.batch.")
    assert second.endswith(f" Change it in --config {str(file)!r}.")
    with pytest.raises(UserError, match=r"Change --set training\.batch, the flag or the file"):
        build_config([assigned, {"training": {"batch": -3}}])
