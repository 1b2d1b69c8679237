"""Whether a launch finds its run again, and who makes the directory; in whole runs: `tests/adavit/training`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runtime.console import SilentConsole
from adavit.runtime.place import Place
from adavit.runtime.process_group import ProcessGroup
from adavit.runtime.world import World
from adavit.training.start.launched_directory import is_begun, new_directory
from adavit.training.start.workload import load_workload
from tests.processes import together

Tiny = Callable[..., RunConfig]


def of_launch(launch: str, attempt: int) -> Place:
    return Place(size=2, launch=launch, attempt=attempt, restarts=3)


def test_a_run_is_gone_on_with_by_the_launch_that_has_begun_it(tmp_path: Path) -> None:
    assert not is_begun(tmp_path, of_launch("mine", 1))  # it failed before there was one
    (tmp_path / "config.yaml").write_text("training: {}\n")
    (tmp_path / "environment.json").write_text(json.dumps({"launch": "mine"}))
    assert is_begun(tmp_path, of_launch("mine", 1))
    assert not is_begun(tmp_path, of_launch("mine", 0))
    assert not is_begun(tmp_path, of_launch("another", 1))
    assert not is_begun(tmp_path, Place())


def test_a_run_that_could_not_be_found_again_is_refused() -> None:
    with pytest.raises(UserError, match=r"up to 3 times where one fails, but the run has no --out"):
        is_begun(None, of_launch("mine", 0))
    assert not is_begun(None, Place())


def test_all_have_the_directory_that_the_first_one_makes(tiny: Tiny, tmp_path: Path) -> None:
    values = tiny().as_dict()
    values["run"]["out"] = None
    workload = load_workload(RunConfig.model_validate(values), SilentConsole())

    def made(world: World) -> str:
        return str(new_directory(workload, ProcessGroup(world, Place(world.rank, world.size))).path)

    assert together(2, made) == ["runs/00000-pictures-vit-bgc"] * 2
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["00000-pictures-vit-bgc"]
