from pathlib import Path

import pytest

from adavit.errors import UserError
from adavit.report.groups import Group, baseline_of, choose_baseline, group_runs
from adavit.report.run import collect_runs, read_run
from tests.adavit.report.synthetic import cell_of, write_grid, write_run


def groups_in(folder: Path) -> list[Group]:
    return group_runs(collect_runs([folder]))


def test_cells_are_grouped_over_seeds_with_the_baseline_first(tmp_path: Path) -> None:
    groups = groups_in(write_grid(tmp_path))
    assert [group.label for group in groups] == ["none", "bg", "color"]
    assert [[run.seed for run in group.runs] for group in groups] == [[0, 1, 2]] * 3
    assert [group.baseline for group in groups] == [True, False, False]


def test_runs_of_no_grid_are_told_apart_by_as_few_settings_as_will_do(tmp_path: Path) -> None:
    # The learning rate follows from the discriminator, so the latter alone names the row.
    for kind, lr in (("resnet", 0.0025), ("vit", 0.0002)):
        settings = {"discriminator": {"kind": kind}, "training": {"discriminator_lr": lr}}
        write_run(tmp_path / kind, settings=settings)
    assert [group.label for group in groups_in(tmp_path)] == ["resnet", "vit"]


def test_other_settings_are_named_with_their_keys_in_natural_order(tmp_path: Path) -> None:
    for batch in (8, 16, 128):
        write_run(tmp_path / str(batch), settings={"training": {"batch": batch}})
    assert [g.label for g in groups_in(tmp_path)] == ["batch=8", "batch=16", "batch=128"]


def test_places_and_cadence_make_no_rows(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0)
    write_run(
        tmp_path / "b",
        seed=1,
        settings={"run": {"seed": 1, "status_every_kimg": 9}, "data": {"source": "/elsewhere"}},
    )
    (group,) = groups_in(tmp_path)
    assert len(group.runs) == 2


def test_the_one_untreated_row_is_the_baseline_of_runs_of_no_grid(tmp_path: Path) -> None:
    write_run(tmp_path / "a", mode="none", p=None)
    write_run(tmp_path / "b", preset="bg")
    write_run(tmp_path / "c", mode="ada", p=None)
    labels = {group.label: group.baseline for group in groups_in(tmp_path)}
    assert labels == {"no augmentation": True, "bg p=0.4": False, "bgc adaptive": False}


def test_a_seed_run_twice_is_no_second_sample(tmp_path: Path) -> None:
    write_run(tmp_path / "a", seed=0)
    write_run(tmp_path / "b", seed=0)
    write_run(tmp_path / "c", seed=1)
    groups = groups_in(tmp_path)
    assert sorted(len(group.runs) for group in groups) == [1, 2]
    assert any("again: b" in group.label for group in groups)


def test_rows_are_compared_with_the_baseline_that_is_like_them(tmp_path: Path) -> None:
    for size in (100, 500):
        for label in ("with", "without"):
            cell = cell_of(label, 0, baseline=label == "without", size=size)
            cell["label"] = f"{label} {size}"
            write_run(tmp_path / f"{label}{size}", cell=cell)
    groups = groups_in(tmp_path)
    chosen = next(group for group in groups if group.label == "with 500")
    found = baseline_of(chosen, groups)
    assert found is not None
    assert found.label == "without 500"


def test_grids_do_not_share_a_baseline(tmp_path: Path) -> None:
    write_run(tmp_path / "a", cell=cell_of("none", 0, grid="one", baseline=True))
    write_run(tmp_path / "b", cell=cell_of("bg", 0, grid="two"))
    groups = groups_in(tmp_path)
    assert baseline_of(groups[1], groups) is None


def test_a_baseline_can_be_chosen_by_its_label(tmp_path: Path) -> None:
    groups = choose_baseline(groups_in(write_grid(tmp_path, seeds=1)), "color")
    assert [group.label for group in groups if group.baseline] == ["color"]
    with pytest.raises(UserError, match="--baseline 'colour' is no row"):
        choose_baseline(groups, "colour")


@pytest.mark.parametrize(
    ("mode", "p", "heuristic", "words"),
    [
        ("none", None, "rt", "none"),
        ("fixed", 0.25, "rt", "bgc p=0.25"),
        ("ada", None, "rt", "bgc adaptive"),
        ("ada", None, "rv", "bgc adaptive r_v"),
    ],
)
def test_augmentation_in_words(
    tmp_path: Path, mode: str, p: float | None, heuristic: str, words: str
) -> None:
    run = read_run(
        write_run(tmp_path / "a", mode=mode, p=p, settings={"augment": {"heuristic": heuristic}})
    )
    assert run.augmentation == words
