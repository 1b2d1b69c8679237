from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import flatten
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runtime.resolution import Resolution
from adavit.training.start.continued import (
    MAY_CHANGE_ON_RESUME,
    check_images_exist,
    continued_config,
)

Tiny = Callable[..., RunConfig]


@pytest.fixture
def directory(tiny: Tiny, tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    config = resolve(tiny(), RunFacts(Resolution(16, 16), training_images=48, device="cpu"))
    run.config.write_text(yaml.safe_dump(config.as_dict()))
    return run


def test_what_may_change_is_all_settings(tiny: Tiny) -> None:
    assert flatten(tiny().as_dict()).keys() >= MAY_CHANGE_ON_RESUME


def test_what_may_change_is_taken_and_the_rest_stays(directory: RunDirectory) -> None:
    before = flatten(continued_config(directory, []).as_dict())
    layers = [{"training": {"total_kimg": 9.0}}, {"run": {"budget": "2h"}}]
    after = flatten(continued_config(directory, layers).as_dict())
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"training.total_kimg", "run.budget"}


def test_auto_asks_for_what_was_chosen(directory: RunDirectory) -> None:
    layer = {"training": {"total_kimg": "auto", "batch": "auto"}}
    assert continued_config(directory, [layer]) == continued_config(directory, [])


def test_what_must_not_change_is_named(directory: RunDirectory) -> None:
    layers = [{"training": {"batch": 4}}, {"discriminator": {"kind": "resnet"}}]
    with pytest.raises(UserError) as error:
        continued_config(directory, layers)
    lines = str(error.value).splitlines()
    assert sorted(line.partition(" is ")[0] for line in lines) == [
        "discriminator.kind",
        "training.batch",
    ]


def test_another_directory_is_refused(directory: RunDirectory, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the run being continued"):
        continued_config(directory, [{"run": {"out": str(tmp_path / "other")}}])


@pytest.mark.parametrize("out", ["{home}/run", "~/run", "~/other/../run", "run"])
def test_its_own_directory_may_be_named_in_any_words(
    directory: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "other").mkdir()
    continued_config(directory, [{"run": {"out": out.format(home=tmp_path)}}, {"run": None}])
    with pytest.raises(UserError, match=r"^--out '~/ran' is not the run being continued"):
        continued_config(directory, [{"run": {"out": "~/ran"}}])


def test_what_is_no_directory_is_a_mistake_of_settings(directory: RunDirectory) -> None:
    with pytest.raises(UserError, match=r"run\.out is 5"):
        continued_config(directory, [{"run": {"out": 5}}])


def test_images_that_have_moved_are_asked_for(directory: RunDirectory, tmp_path: Path) -> None:
    check_images_exist(directory, "small_set")
    check_images_exist(directory, str(tmp_path))
    with pytest.raises(UserError, match=r"not at .*gone.*--resume .* --data FOLDER"):
        check_images_exist(directory, str(tmp_path / "gone"))
