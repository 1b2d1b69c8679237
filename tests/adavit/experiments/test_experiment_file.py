from pathlib import Path

import pytest

from adavit.config.layers import build_config
from adavit.errors import UserError
from adavit.experiments.experiment_file import FILES, ExperimentFile, check_folder, setting
from adavit.experiments.grid_file import read_grid
from adavit.experiments.sweep_file import read_sweep
from tests.adavit.experiments.conftest import WriteGrid


def test_a_path_wins_over_a_name(write_grid: WriteGrid) -> None:
    path = write_grid()
    assert read_grid("smoke").name == "smoke"
    Path("smoke").write_bytes(path.read_bytes())
    assert read_grid("smoke").name == "tiny"


def test_a_preset_lies_below_the_base_and_the_axes_above(write_grid: WriteGrid) -> None:
    grid = read_grid(str(write_grid(preset="smoke", axes={"training.batch": [4]}, baseline=None)))
    (point,) = grid.points()
    config = build_config([point.settings])
    assert config.training.batch == 4
    assert config.training.total_kimg == 0.064
    assert config.data.resolution.plain == 16, "only the preset sets it"


def test_a_tag_that_would_build_an_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text("axes: !!python/object/apply:os.system ['touch owned']\n")
    with pytest.raises(UserError, match="not valid YAML"):
        read_grid(str(path))
    assert not Path("owned").exists()


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(UserError, match=r"groups-cpu.*Did you mean smoke"):
        read_grid("smok")


def test_a_file_of_the_other_kind_is_sent_to_the_command_that_takes_it(tmp_path: Path) -> None:
    grid, sweep = tmp_path / "a grid.yaml", tmp_path / "sweep.yaml"
    grid.write_text("axes: {run.seed: [0, 1]}\n")
    sweep.write_text("search: {training.r1_gamma: {low: 0.1, high: 10}}\n")
    with pytest.raises(UserError, match=r"'axes', .* are for adavit ablate '.*/a grid.yaml'"):
        read_sweep(str(grid))
    with pytest.raises(UserError, match=r"'search', .* are for adavit sweep .*/sweep.yaml"):
        read_grid(str(sweep))


def test_settings_are_laid_over_the_shared_ones_unless_they_are_varied() -> None:
    file = ExperimentFile("tiny", "", {"training": {"batch": 8, "r1_gamma": 1}})
    layers = [{"training": {"batch": 4}}, {"training": {"batch": 2}, "run": {"seed": 3}}]
    base = file.overridden_base(layers, varied=["augment.p"], reason="")
    assert base == {"training": {"batch": 2, "r1_gamma": 1}, "run": {"seed": 3}}
    with pytest.raises(UserError, match=r"run\.seed is given, but it is varied\. Leave it out"):
        file.overridden_base(layers, varied=["run.seed"], reason="it is varied")
    with pytest.raises(UserError, match=r"--set\.training is 3, expected sections"):
        file.overridden_base([{"training": 3}], varied=[], reason="")


def test_a_setting_is_a_layer() -> None:
    assert setting("training.batch", 4) == {"training": {"batch": 4}}


@pytest.mark.parametrize("there", FILES)
@pytest.mark.parametrize("kind", FILES)
def test_a_folder_holds_one_experiment(tmp_path: Path, there: str, kind: str) -> None:
    check_folder(tmp_path, kind, "tiny")
    (tmp_path / FILES[there]).write_text("name: tiny\n")
    if kind == there:
        check_folder(tmp_path, kind, "tiny")
    other = "tiny" if kind != there else "other"
    expected = rf"holds the {there} 'tiny', expected the {kind} '{other}' or a new folder\. Choose"
    with pytest.raises(UserError, match=expected):
        check_folder(tmp_path, kind, other)
    (tmp_path / FILES[there]).write_text("of another program\n")
    check_folder(tmp_path, kind, other)
