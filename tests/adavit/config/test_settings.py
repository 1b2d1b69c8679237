from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

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
