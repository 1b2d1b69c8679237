from importlib import resources

import pytest
import yaml

from adavit.config.layers import preset_names
from adavit.config.presets import describe_preset, shipped_presets
from adavit.errors import UserError


def test_each_preset_is_described_by_its_own_file() -> None:
    presets = shipped_presets()
    assert [preset.name for preset in presets] == preset_names()
    for preset in presets:
        file = resources.files("adavit.configs") / "presets" / f"{preset.name}.yaml"
        assert preset.text == file.read_text(encoding="utf-8")
        assert preset.settings == yaml.safe_load(preset.text)
        assert preset.command.startswith(f"adavit train --preset {preset.name} --data ")
        assert preset.about.startswith(preset.meaning)
        assert 10 < len(preset.meaning) < 150, preset.name  # a line, and no empty head
        assert "\n" not in preset.meaning


def test_one_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match=r"preset 'r3gun' is unknown.* Did you mean r3gan\?"):
        describe_preset("r3gun")
