import json

import yaml

from adavit.config.layers import preset_names, read_preset
from tests.cli.conftest import Adavit


def test_presets_are_listed_with_a_line_each(adavit: Adavit) -> None:
    lines = adavit("presets").out.splitlines()
    assert [line.split()[0] for line in lines[: len(preset_names())]] == preset_names()
    assert "R3GAN (Huang et al. 2024, arXiv:2501.05441), its CIFAR-10 settings" in lines[3]


def test_one_is_shown_as_its_file(adavit: Adavit) -> None:
    outcome = adavit("presets", "r3gan")
    assert outcome.code == 0
    assert outcome.out.startswith("# adavit train --preset r3gan")
    assert yaml.safe_load(outcome.out) == read_preset("r3gan")


def test_presets_as_json(adavit: Adavit) -> None:
    found = json.loads(adavit("presets", "--json").out)
    assert [each["name"] for each in found] == preset_names()
    assert {"meaning", "command", "about", "settings"} < found[0].keys()
    (one,) = json.loads(adavit("presets", "vit", "--json").out)
    assert one["settings"] == read_preset("vit")


def test_one_that_is_not_there_is_one_line_and_code_2(adavit: Adavit) -> None:
    outcome = adavit("presets", "nothing")
    assert outcome.code == 2
    assert "preset 'nothing' is unknown, expected one of: auto" in outcome.err
    assert outcome.err.count("\n") == 1
