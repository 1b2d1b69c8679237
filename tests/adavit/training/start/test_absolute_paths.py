from collections.abc import Callable
from pathlib import Path

import pytest

from adavit.config.layers import build_config
from adavit.config.run import RunConfig
from adavit.training.start.absolute_paths import with_absolute_paths

Tiny = Callable[..., RunConfig]


def test_what_lies_somewhere_is_named_from_the_root(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny(
        {
            "data": {"source": "pictures", "data_root": "downloads"},
            "metrics": {"reference": "pictures", "inception_weights": "weights.pth"},
            "training": {"transfer": "other"},
        }
    )
    found = with_absolute_paths(config)
    monkeypatch.chdir("/")
    assert found.data.source == found.metrics.reference == str(tmp_path / "pictures")
    assert found.data.data_root == tmp_path / "downloads"
    assert found.metrics.inception_weights == tmp_path / "weights.pth"
    assert found.training.transfer == tmp_path / "other"


def test_names_of_known_sets_stay_names() -> None:
    config = build_config([{"data": {"source": "small_set"}}])
    assert with_absolute_paths(config) == config


def test_the_name_of_a_repository_of_a_hub_stays_a_name(tiny: Tiny) -> None:
    config = tiny({"training": {"transfer": "hub:me/x"}})
    assert str(with_absolute_paths(config).training.transfer) == "hub:me/x"
