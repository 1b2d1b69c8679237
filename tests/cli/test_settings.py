import json

import pytest

from adavit.config.pretraining import PretrainingConfig
from adavit.config.run import RunConfig
from adavit.config.settings import settings_of
from tests.cli.conftest import Adavit


def test_every_key_is_printed_with_range_default_and_meaning(adavit: Adavit) -> None:
    outcome = adavit("settings")
    assert outcome.code == 0
    heads = [line.split()[0] for line in outcome.out.splitlines() if not line.startswith(" ")]
    pretraining = [f"pretraining.{name}" for name in PretrainingConfig.model_fields]
    assert heads == [*settings_of(), *pretraining]
    assert max(map(len, outcome.out.splitlines())) <= 130


def test_one_setting_and_one_section(adavit: Adavit) -> None:
    assert adavit("settings", "training.batch").out == (
        "training.batch  INTEGER >= 1\n"
        "    Real images per step. Default: 64 (32 from 128 px on), on a CPU 16.\n"
    )
    heads = [
        line.split()[0] for line in adavit("settings", "run").out.splitlines() if line[0] != " "
    ]
    assert heads == [f"run.{name}" for name in settings_run()]


def test_what_pretraining_alone_takes_is_printed_as_such(adavit: Adavit) -> None:
    assert adavit("settings", "pretraining.batch").out.startswith(
        "pretraining.batch  INTEGER >= 1  (adavit pretrain only)\n"
    )
    assert "pretraining.warmup_kimg" in adavit("settings", "pretraining").out
    outcome = adavit("settings", "pretraining.bach")
    assert "Did you mean pretraining.batch?" in outcome.err


def settings_run() -> list[str]:
    return [key.partition(".")[2] for key in settings_of() if key.startswith("run.")]


@pytest.mark.parametrize(
    ("asked", "hint"),
    [("training.bach", "Did you mean training.batch?"), ("run.sed", "Did you mean run.seed?")],
)
def test_a_mistyped_key_names_the_near_one(adavit: Adavit, asked: str, hint: str) -> None:
    outcome = adavit("settings", asked)
    assert outcome.code == 2
    assert f"{asked!r} is neither a setting nor a section of settings. {hint}" in outcome.err


def test_the_schema_is_json(adavit: Adavit) -> None:
    outcome = adavit("settings", "--json-schema")
    assert (outcome.code, outcome.err) == (0, "")
    assert list(json.loads(outcome.out)["properties"]) == list(RunConfig.model_fields)


@pytest.mark.parametrize("keys", ["training.batch", "training.bach", "augment run.seed"])
def test_the_schema_of_some_keys_alone_is_refused(adavit: Adavit, keys: str) -> None:
    outcome = adavit("settings", *keys.split(), "--json-schema")
    assert (outcome.code, outcome.out) == (2, "")
    (line,) = outcome.err.splitlines()
    assert f"--json-schema is that of all settings, but {keys} was given too" in line
    assert line.endswith(f"Leave {keys} out.")
