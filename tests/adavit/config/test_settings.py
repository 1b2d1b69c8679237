from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from adavit.config.layers import build_config, preset_names, read_preset
from adavit.config.pretraining import PretrainConfig
from adavit.config.run import RunConfig
from adavit.config.section import MOST
from adavit.config.settings import Setting, json_schema, settings_of, values_in_words

ALL = settings_of()


def test_every_key_of_both_networks_is_there_once() -> None:
    keys = [
        f"{section}.{name}"
        for section, field in RunConfig.model_fields.items()
        if section != "discriminator"
        for name in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    assert [key for key in ALL if not key.startswith("discriminator.")] == keys
    assert {s.key for s in ALL.values() if s.whose == "vit"} >= {"discriminator.patch"}
    assert {s.key for s in ALL.values() if s.whose == "resnet"} == {
        "discriminator.form",
        "discriminator.channel_base",
        "discriminator.channel_max",
        "discriminator.normalization",
        "discriminator.label_layers",
    }


@pytest.mark.parametrize("key", ALL)
def test_every_setting_says_what_it_means_and_what_holds_without_it(key: str) -> None:
    shown = ALL[key]
    assert len(shown.meaning) > 10
    assert shown.meaning[-1] == "."
    assert shown.default
    assert "auto:" not in shown.meaning, "the default stands in its own field"
    assert shown.default != "auto"


@pytest.mark.parametrize(
    "shown",
    [
        Setting(
            "training.batch",
            "",
            "INTEGER",
            ">= 1",
            "64 (32 from 128 px on), on a CPU 16",
            "Real images per step.",
        ),
        Setting("data.mirror", "", "true|false", "", "false", ALL["data.mirror"].meaning),
        Setting(
            "training.ema_ramp",
            "",
            "NUMBER",
            "> 0",
            "0.05, none with transfer",
            "The half-life is at most this part of the images seen. None: no ramp.",
        ),
        Setting(
            "metrics.patience_kimg",
            "",
            "NUMBER",
            "> 0",
            "never",
            ALL["metrics.patience_kimg"].meaning,
        ),
        Setting(
            "discriminator.minibatch_std_group",
            "",
            "INTEGER",
            ">= 0",
            "4, or the most below that divides the microbatch; for r3gan 0; for vit 0, on a CPU 4, or the"
            " most below that divides the microbatch",
            "Images over which the standard deviation is taken; 0 leaves it out.",
        ),
        Setting(
            "data.scale_16bit",
            "",
            "auto|full|set",
            "",
            "the largest sample each file declares",
            "White in images of more than 8 bits. full: 65535. set: the smallest 2^b - 1 that holds"
            " every sample of the set.",
        ),
        Setting("run.seed", "", "INTEGER", ">= 0", "0", "Start of every random stream."),
        Setting("augment.p", "", "NUMBER", ">= 0, <= 1", "none", ALL["augment.p"].meaning),
    ],
    ids=lambda shown: shown.key,
)
def test_settings_in_words(shown: Setting) -> None:
    assert ALL[shown.key] == shown


def test_choices_are_the_words_it_takes() -> None:
    assert ALL["training.loss"].choices == (
        *("non_saturating", "hinge"),
        *("relativistic", "wasserstein"),
    )
    assert ALL["metrics.names"].choices == ("fid", "kid")
    assert ALL["training.batch"].choices == ()


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int, "INTEGER"),
        (float | None, "NUMBER"),
        (Path | None, "PATH"),
        (Literal["a", "b"], "a|b"),
        (tuple[Literal["a", "b"], ...], "a|b,..."),
        (Annotated[float, Field(ge=0)], "NUMBER"),
        (int | str, "INTEGER or TEXT"),
    ],
)
def test_types_in_words(annotation: Any, words: str) -> None:
    assert values_in_words(annotation) == words


def test_a_pretraining_has_its_own_settings() -> None:
    keys = settings_of(PretrainConfig)
    assert keys["pretraining.total_kimg"].default == "200, on a CPU 50"
    assert keys["discriminator.patch"].whose == "vit"
    assert "discriminator.form" not in keys
    assert "training.batch" not in keys


def test_the_schema_takes_what_the_configuration_takes() -> None:
    schema = json_schema()
    training = schema["$defs"]["TrainingConfig"]
    assert training["additionalProperties"] is False
    batch = training["properties"]["batch"]
    assert batch["anyOf"] == [{"minimum": 1, "maximum": MOST, "type": "integer"}, {"const": "auto"}]
    assert batch["default"] == "auto"
    assert batch["description"].startswith("Real images per step.")
    assert "required" not in schema, "every section may be left out"
    assert set(schema["properties"]) == set(RunConfig.model_fields)
    assert schema["properties"]["training"]["default"]["batch"] == "auto"
    RunConfig.model_validate({"training": {"batch": "auto"}})
    with pytest.raises(ValidationError):
        RunConfig.model_validate({"training": {"batch": 0}})


def _types(field: dict[str, Any], definitions: dict[str, Any]) -> set[str]:
    """Types of JSON that a part of the schema takes."""
    if "$ref" in field:
        return _types(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        return set().union(*(_types(each, definitions) for each in field["anyOf"]))
    if "const" in field:
        return {"string"}
    given = field["type"]
    return {given} if isinstance(given, str) else set(given)


def _refused(values: Any) -> list[str]:
    """Keys of a file that the schema does not know, or whose value is of a type that it does not take."""
    schema = json_schema()
    definitions, found = schema["$defs"], []
    for section, keys in values.items():
        part = schema["properties"][section]
        if section == "discriminator":
            kind = keys.get("kind", "resnet")
            part = {"$ref": part["discriminator"]["mapping"][kind]}
        fields = definitions[part["$ref"].rpartition("/")[2]]["properties"]
        for key, value in keys.items():
            types = _types(fields[key], definitions) if key in fields else set()
            if not types & JSON_TYPES[type(value)]:
                found.append(f"{section}.{key}")
    return found


JSON_TYPES = {
    bool: {"boolean"},
    int: {"integer", "number"},
    float: {"number"},
    str: {"string"},
    list: {"array"},
    dict: {"object"},
    type(None): {"null"},
}


@pytest.mark.parametrize(
    "values",
    [
        *map(read_preset, preset_names()),
        {"run": {"keep_checkpoints": "3,every:200"}},
        {"run": {"keep_checkpoints": 3}},
        {"metrics": {"names": "none", "extractor": "random,inception"}},
        {"metrics": {"names": "fid", "extractor": ["random"]}},
        {"augment": {"extra": "RandomHue:0.5"}},
        {"augment": {"extra": {"operation": "RandomHue"}}},
        {"augment": {"extra": [{"operation": "RandomHue"}]}},
        {"data": {"resolution": "96x64"}, "discriminator": {"kind": "vit", "patch": "3x4"}},
        {"training": {"batch": "auto"}},
    ],
)
def test_the_schema_takes_files_that_load(values: dict[str, Any]) -> None:
    build_config([values])
    assert not _refused(values)


def test_the_schema_says_what_a_list_and_a_number_may_hold() -> None:
    definitions = json_schema()["$defs"]
    names = definitions["MetricsConfig"]["properties"]["names"]
    assert names["items"] == {"enum": ["fid", "kid"], "type": "string"}
    kept = definitions["RunSettings"]["properties"]["keep_checkpoints"]
    assert (kept["minimum"], kept["maximum"]) == (1, 1000)
    forms = definitions["AugmentConfig"]["properties"]["extra"]["anyOf"]
    (listed,) = (form["items"] for form in forms if form.get("type") == "array")
    assert _types(listed, definitions) == {"object", "string"}
    assert _refused({"run": {"keep_checkpoints": [3]}, "metrics": {"name": "fid", "names": 3}}) == [
        "run.keep_checkpoints",
        "metrics.name",
        "metrics.names",
    ]
