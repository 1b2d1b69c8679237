"""Where the settings of a run that goes on come from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import save_newest
from adavit.runtime.resolution import Resolution
from adavit.training.start.stored_settings import (
    changed_settings,
    check_unchanged,
    settings_in_file,
    settings_of,
    stored_settings,
)

Tiny = Callable[..., RunConfig]


@pytest.fixture
def settings(tiny: Tiny) -> dict[str, Any]:
    facts = RunFacts(resolution=Resolution.of(16), training_images=48, device="cpu")
    return resolve(tiny(), facts).as_dict()


@pytest.fixture
def directory(tmp_path: Path, settings: dict[str, Any]) -> RunDirectory:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    run.config.write_text(yaml.safe_dump(settings))
    save_newest(run.checkpoint, {"config": settings}, keep=2)
    return run


def test_the_file_counts_while_it_is_there(
    directory: RunDirectory, settings: dict[str, Any]
) -> None:
    longer = {**settings, "training": {**settings["training"], "total_kimg": 9.0}}
    directory.config.write_text(yaml.safe_dump(longer))
    assert stored_settings(directory) == settings_in_file(directory) == longer


@pytest.mark.parametrize("content", [None, b"", b"\x00" * 40, b"\xff\xfe", b"a: [", b"- 1"])
def test_where_the_file_is_lost_the_checkpoint_has_them(
    directory: RunDirectory, settings: dict[str, Any], content: bytes | None
) -> None:
    if content is None:
        directory.config.unlink()
    else:
        directory.config.write_bytes(content)
    assert settings_in_file(directory) is None
    assert stored_settings(directory) == settings
    check_unchanged(directory, {"config": settings}, may_change=())
    directory.checkpoint.unlink()
    with pytest.raises(UserError, match=r"config\.yaml' holds no settings, and there is no check"):
        stored_settings(directory)


def test_settings_of_a_checkpoint_are_complete_or_refused(settings: dict[str, Any]) -> None:
    assert settings_of({"config": settings}) == settings
    for damaged in ({}, {"config": None}, {"config": {**settings, "training": {"batch": 8}}}):
        with pytest.raises(UserError, match="holds no complete settings"):
            settings_of(damaged)


def test_a_file_that_says_something_else_is_refused_with_each_difference(
    directory: RunDirectory, settings: dict[str, Any]
) -> None:
    state = {"config": settings}
    check_unchanged(directory, state, may_change=())
    text = directory.config.read_text()
    directory.config.write_text(text.replace("total_kimg: 0.064", "total_kimg: 8.064"))
    check_unchanged(directory, state, may_change={"training.total_kimg"})
    with pytest.raises(UserError) as caught:
        check_unchanged(directory, state, may_change=())
    assert "training.total_kimg is 8.064 in" in str(caught.value)
    assert "was trained with 0.064" in str(caught.value)
    assert "Remove" in str(caught.value)
    directory.config.write_text(text.replace("batch: 8", "bauch: 8"))  # one bit
    with pytest.raises(UserError, match=r"(?s)training\.bauch is not a setting.*Remove"):
        check_unchanged(directory, state, may_change=())


def test_files_may_move_but_not_come_or_go() -> None:
    def changed(before: object, after: object, key: str = "features.network") -> list[str]:
        may_change = ("features.network", "data.data_root")
        return changed_settings({key: before}, {key: after}, may_change=may_change)

    assert changed("a", "b") == changed("a", "a") == changed(None, None) == []
    assert changed(None, "b") == changed("a", None) == ["features.network"]
    assert changed(None, "b", "data.data_root") == []
    assert changed(1, 2, "run.seed") == ["run.seed"]
