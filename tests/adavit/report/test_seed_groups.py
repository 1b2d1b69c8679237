import types
import typing
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest

from adavit.config.discriminator import ResNetConfig, ViTConfig
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.report.run import AblationPlace, Run, collect_runs
from adavit.report.seed_groups import (
    SeedGroup,
    baseline_of,
    choose_baseline,
    group_runs,
    row_of_failed,
)
from adavit.runs.reading import flat_settings
from tests.adavit.report.synthetic import cell_of, write_grid, write_run, write_sizes


def groups_in(folder: Path) -> list[SeedGroup]:
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


@pytest.mark.parametrize("missing", ["", "none 100", "none 1000"])
def test_without_runs_of_its_own_baseline_a_row_is_compared_with_none(
    tmp_path: Path, missing: str
) -> None:
    groups = groups_in(write_sizes(tmp_path, missing))
    found = {group.label: baseline_of(group, groups) for group in groups if not group.baseline}
    assert {label: base and base.label for label, base in found.items()} == {
        f"bg {size}": None if missing == f"none {size}" else f"none {size}" for size in (100, 1000)
    }
    # Another baseline that is asked for is that of all.
    chosen = choose_baseline(groups, "bg 1000")
    assert {row and row.label for row in (baseline_of(group, chosen) for group in chosen)} == {
        "bg 1000"
    }


def test_where_a_grid_has_named_a_baseline_no_other_is_guessed(tmp_path: Path) -> None:
    for label, mode in (("bcr", "none"), ("bg", "fixed")):
        write_run(
            tmp_path / label, mode=mode, cell=cell_of(label, 0) | {"compared_with": "of none"}
        )
    assert not any(group.baseline for group in groups_in(tmp_path))


def test_grids_do_not_share_a_baseline(tmp_path: Path) -> None:
    write_run(tmp_path / "a", cell=cell_of("none", 0, grid="one", baseline=True))
    write_run(tmp_path / "b", cell=cell_of("bg", 0, grid="two"))
    groups = groups_in(tmp_path)
    assert baseline_of(groups[1], groups) is None


def test_a_baseline_can_be_chosen_by_its_label(tmp_path: Path) -> None:
    groups = choose_baseline(groups_in(write_grid(tmp_path, seeds=1)), "color")
    assert [group.label for group in groups if group.baseline] == ["color"]
    with pytest.raises(UserError, match="--baseline 'colour' is not a row"):
        choose_baseline(groups, "colour")


MAY_DIFFER = {
    "run.seed": "what a row is averaged over",
    "run.out": "where the run lies",
    "run.device": "the same figures to the last digits",
    "training.graphs": "how kernels are launched",
    "training.compile": "other roundings alone, and in long runs chosen by whether there is a compiler",
    "run.status_every_kimg": "cadence of a log",
    "run.samples_every_kimg": "cadence of pictures",
    "run.checkpoint_every_kimg": "cadence of what is kept",
    "run.keep_checkpoints": "how much of it",
    "run.keep_every_kimg": "likewise",
    "data.source": "where the images lie; their fingerprint counts",
    "data.data_root": "where downloads lie",
    "data.channels": "decides what is loaded, and so the fingerprint",
    "data.follow_links": "likewise",
    "data.frames": "decides what is loaded, and so the fingerprint",
    "data.fit": "decides what is loaded, and so the fingerprint",
    "data.scale_16bit": "decides what is loaded, and so the fingerprint",
    "metrics.inception_weights": "where they lie; their digest is in each figure's protocol",
    "metrics.reference": "where it lies; its fingerprint is in each figure's protocol",
}
"""The only settings in which two runs of one row may differ, and why."""

DEFAULTS = RunConfig()
SECTIONS = {name: [type(getattr(DEFAULTS, name))] for name in RunConfig.model_fields} | {
    "discriminator": [ResNetConfig, ViTConfig]
}
FIELDS = {
    f"{section}.{key}": field
    for section, kinds in SECTIONS.items()
    for kind in kinds
    for key, field in kind.model_fields.items()
}


def two_values(annotation: Any) -> tuple[Any, Any]:
    """Two values that a field may have in config.yaml."""
    parts = [part for part in typing.get_args(annotation) if part is not type(None)]
    if typing.get_origin(annotation) is typing.Literal:
        return (parts * 2)[0], (parts * 2)[1]
    if annotation in (int, float):
        return annotation(0.25 * 4), annotation(0.75 * 4)
    if annotation is bool:
        return False, True
    if annotation in (str, Path):
        return "a", "b"
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is Annotated:
        return two_values(parts[0])
    return [{"operation": "a", "p": [0.1]}], [{"operation": "a", "p": [0.2]}]


def made_run(seed: int, changed: dict[str, Any], cell: AblationPlace | None = None) -> Run:
    sections = DEFAULTS.as_dict() | {"run": {**DEFAULTS.as_dict()["run"], "seed": seed}}
    for key, value in changed.items():
        section, _, name = key.partition(".")
        sections[section] = {**sections[section], name: value}
    return Run(
        path=Path(f"run{seed}"), status="finished", reason="", settings=flat_settings(sections),
        data={"name": "squares", "fingerprint": "ab" * 32}, environment={}, images=0, started=0.0, damage="",
        stats=[], metrics=[], evaluations=[], memorisation={}, leaks={}, cell=cell, outdated=(),
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["ada", "fixed", "scheduled", "none"])
@pytest.mark.parametrize("key", FIELDS)
def test_runs_of_one_row_differ_in_nothing_that_changes_a_result(key: str, mode: str) -> None:
    """In any setting, whatever the augmentation; as runs by themselves and as cells of a grid."""
    one, other = two_values(FIELDS[key].annotation)
    if one == other:  # a literal of one word: the kind of a discriminator
        one, other = "resnet", "vit"
    cell = AblationPlace(grid="g", axes={"x": "1"}, seed=None, label="x 1", baseline=False)
    for place in (None, cell):
        runs = [
            made_run(seed, {"augment.mode": mode, "augment.p": 0.5, key: value}, place)
            for seed, value in enumerate((one, other))
        ]
        groups = group_runs(runs)
        assert len(groups) == (1 if key in MAY_DIFFER else 2), [group.label for group in groups]
        assert len({group.label for group in groups}) == len(groups)


@pytest.mark.parametrize(
    "settings",
    [
        ({"augment.mode": "scheduled", "augment.p": p} for p in (0.4, 0.8)),
        ({"augment.mode": "ada", "augment.heuristic": name} for name in ("rt", "relative")),
        ({"augment.extra": [{"operation": name}]} for name in ("a", "b")),
    ],
    ids=["p of a schedule", "heuristic", "nested"],
)
def test_two_augmentations_are_never_two_seeds_of_one(settings: Iterable[dict[str, Any]]) -> None:
    groups = group_runs([made_run(seed, changed) for seed, changed in enumerate(settings)])
    assert [len(group.runs) for group in groups] == [1, 1]


def test_other_images_of_the_same_name_are_another_row() -> None:
    runs = [
        made_run(0, {}),
        replace(made_run(1, {}), data={"name": "squares", "fingerprint": "cd"}),
    ]
    assert [g.label for g in group_runs(runs)] == ["images abababababab", "images cd"]


def test_the_same_images_by_other_names_are_one_row_called_as_the_first_run_does() -> None:
    pets = {"name": "pets", "fingerprint": "ab" * 32}
    runs = [
        made_run(0, {}),
        replace(made_run(1, {}), data=pets),
        replace(made_run(2, {}), data={"name": "pets", "fingerprint": "cd"}),
        replace(made_run(3, {}), data=pets | {"fingerprint": ""}, path=Path("unknown")),
        replace(made_run(4, {}), data={"name": "cats"}),
    ]
    found = [[run.seed for run in group.runs] for group in group_runs(runs)]
    assert sorted(found) == [[0, 1], [2], [3], [4]]
    labels = {group.label for group in group_runs(runs[:3])}
    assert labels == {"squares", "pets"}


def test_two_starts_of_a_grid_with_other_settings_are_compared_each_with_its_own_baseline() -> None:
    runs = []
    for kimg in (20.0, 40.0):
        for label in ("none", "bg") if kimg == 20 else ("none", "noise"):
            place = AblationPlace("g", {"augmentation": label}, None, label, label == "none")
            runs.append(made_run(int(kimg), {"training.total_kimg": kimg}, place))
    groups = group_runs(runs)
    against = {group.label: baseline_of(group, groups) for group in groups if not group.baseline}
    assert {label: base and base.label for label, base in against.items()} == {
        "bg, total_kimg=20.0": "none, total_kimg=20.0",
        "noise, total_kimg=40.0": "none, total_kimg=40.0",
    }


def test_an_axis_named_like_a_word_for_settings_stays_an_axis() -> None:
    runs = []
    for seed, p in enumerate((0.4, 0.4, 0.8, 0.8)):
        name = "ab"[seed % 2]  # the same words, but another target
        place = AblationPlace("g", {"augmentation": name}, None, name, baseline=False)
        changed = {"augment.mode": "fixed", "augment.p": p, "augment.target": 0.1 * (seed % 2)}
        runs.append(made_run(seed, changed, place))
    groups = group_runs(runs)
    assert [group.label for group in groups] == [
        "a, bgc p=0.4",
        "a, bgc p=0.8",
        "b, bgc p=0.4",
        "b, bgc p=0.8",
    ]
    assert groups[0].axes == {"augmentation": "a, bgc p=0.4"}


@pytest.mark.parametrize("key", ["training.transfer", "training.init_discriminator"])
@pytest.mark.parametrize("axis", ["start", "its key"])
def test_of_weights_to_start_from_the_content_makes_a_row_and_not_the_path(
    key: str, axis: str
) -> None:
    def started(seed: int, path: str | None, weights: str) -> Run:
        value = str(path) if axis == "its key" else "some"
        place = AblationPlace("g", {key if axis == "its key" else axis: value}, None, "some", False)
        return made_run(seed, {key: path}, replace(place, weights=weights))

    moved = [
        started(0, "/old/w.safetensors", "ab" * 32),
        started(1, "/new/v.safetensors", "ab" * 32),
    ]
    assert [len(group.runs) for group in group_runs(moved)] == [2]
    other = started(2, "/new/v.safetensors", "cd" * 32)
    groups = group_runs([*moved, other])
    assert [len(group.runs) for group in groups] == [2, 1]
    if axis == "start":
        name = key.partition(".")[2]
        assert [group.label for group in groups] == [
            f"some, {name}={'ab' * 6}",
            f"some, {name}={'cd' * 6}",
        ]
    unknown = [started(seed, f"/{seed}/w.safetensors", "") for seed in range(2)]
    assert [len(group.runs) for group in group_runs(unknown)] == [1, 1]
    assert [len(group.runs) for group in group_runs([moved[0], started(3, None, "")])] == [1, 1]


@pytest.mark.parametrize("key", ["features.network", "training.distill_network"])
def test_of_a_frozen_network_the_weights_make_a_row_and_not_where_they_lie(key: str) -> None:
    def seeing(seed: int, folder: str, digest: str) -> Run:
        seen = [f"torchvision:vit_b_16 {digest}"]
        run = made_run(seed, {key: f"torchvision:vit_b_16:/{folder}/w.pth", "features.seen": seen})
        assert run.networks_seen == seen
        return run

    runs = [seeing(0, "old", "ab"), seeing(1, "new", "ab"), seeing(2, "new", "cd")]
    assert [len(group.runs) for group in group_runs(runs)] == [2, 1]
    untold = [replace(run, settings=run.settings | {"features.seen": []}) for run in runs[:2]]
    assert [len(group.runs) for group in group_runs(untold)] == [1, 1]


def test_a_path_named_none_is_not_none() -> None:
    runs = [made_run(seed, {"training.transfer": v}) for seed, v in enumerate((None, "None"))]
    assert len(group_runs(runs)) == 2


def test_a_cell_that_has_not_begun_stands_with_its_siblings() -> None:
    place = AblationPlace("g", {"augmentation": "bg"}, None, "bg", baseline=False)
    waiting = replace(
        made_run(1, {}, replace(place, seed=1)), settings={}, data={}, status="stopped"
    )
    (group,) = group_runs([made_run(0, {}, place), waiting])
    assert group.label == "bg"


def test_a_cell_that_failed_is_of_the_row_of_its_axes_and_settings() -> None:
    place = AblationPlace(grid="g", axes={"x": "1"}, seed=None, label="x 1", baseline=False)
    short, long = ({"training.total_kimg": kimg} for kimg in (10.0, 20.0))
    groups = group_runs([made_run(0, short, place), made_run(0, long, place)])
    assert [row_of_failed(made_run(1, each, place), groups) for each in (short, long)] == groups
    for other in (
        made_run(1, short, replace(place, axes={"x": "2"})),
        made_run(1, short, replace(place, grid="h")),
        made_run(0, short, place),  # tried again, and has its figures
        made_run(1, short),
    ):
        assert row_of_failed(other, groups) is None


def test_a_run_whose_settings_are_lost_is_no_seed_of_another() -> None:
    lost = replace(made_run(1, {}), settings={}, metrics=[{"images": 0, "fid": 1.0}])
    assert [len(group.runs) for group in group_runs([made_run(0, {}), lost])] == [1, 1]


def test_a_baseline_is_chosen_in_the_grids_that_have_such_a_row() -> None:
    runs = [
        made_run(0, {"data.subset": index}, AblationPlace(grid, {"a": label}, None, label, first))
        for index, (grid, label, first) in enumerate(
            [("A", "none", True), ("A", "ada", False), ("B", "p 0", True), ("B", "p 1", False)]
        )
    ]
    groups = group_runs(runs)
    wanted = next(group.label for group in groups if group.axes["a"].startswith("ada"))
    chosen = choose_baseline(groups, wanted)
    found = [(group.grid, group.axes["a"], group.baseline) for group in chosen]
    assert [(grid, name.partition(",")[0], baseline) for grid, name, baseline in found] == [
        ("A", "ada", True),
        ("A", "none", False),
        ("B", "p 0", True),
        ("B", "p 1", False),
    ]
