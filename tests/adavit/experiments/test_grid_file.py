import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from adavit.config.layers import build_config
from adavit.errors import UserError
from adavit.experiments.grid_file import grid_names, read_grid
from tests.adavit.experiments.conftest import WriteGrid


def test_points_are_the_product_of_the_axes_with_the_last_one_fastest(
    write_grid: WriteGrid,
) -> None:
    axes = {
        "data.subset": [10, 20],
        "aug": {"off": {"augment": {"mode": "none"}}, "on": {"augment": {"mode": "ada"}}},
        "run.seed": [0, 7],
    }
    grid = read_grid(str(write_grid(axes=axes, baseline={"aug": "off"})))
    points = list(grid.points())
    assert [tuple(point.axes.values()) for point in points] == [
        (10, "off", 0), (10, "off", 7), (10, "on", 0), (10, "on", 7),
        (20, "off", 0), (20, "off", 7), (20, "on", 0), (20, "on", 7),
    ]  # fmt: skip
    assert points[5].label == "subset 20, off"
    assert points[5].varied == {"data.subset": 20, "augment.mode": "none", "run.seed": 7}
    assert points[5].settings["training"] == grid.base["training"]
    assert [grid.baseline_axes(point) == point.axes for point in points] == [
        True,
        True,
        False,
        False,
    ] * 2
    assert grid.baseline_axes(points[6]) == points[4].axes
    assert replace(grid, baseline={}).baseline_axes(points[0]) == {}


def test_a_grid_written_out_is_read_to_the_same_grid(write_grid: WriteGrid, tmp_path: Path) -> None:
    grid = read_grid(str(write_grid(description="What it shows.\n")))
    changed = grid.with_overrides([{"training": {"batch": 4}}], seeds=[3, 4])
    assert changed.base["training"]["batch"] == 4
    assert len(list(changed.points())) == 4
    copy = tmp_path / "copy.yaml"
    copy.write_text(changed.as_yaml(), encoding="utf-8")
    assert read_grid(str(copy)) == changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axis": {}}, "key 'axis'.*Did you mean axes"),
        ({"axes": None}, "no axes"),
        ({"axes": []}, "axes is .*a mapping"),
        ({"axes": {"run.seed": 3}}, "axes.run.seed is 3, expected a list"),
        ({"axes": {"run.seed": [1, 1]}}, "repeats"),
        ({"axes": {"run.seed": [[1]]}}, "lists or mappings"),
        ({"axes": {"a": [1, 2]}}, "axes.a .*settings by label"),
        ({"axes": {"a": {"x": {"augment": "bgc"}}}}, "axes.a.x.augment is 'bgc'"),
        ({"baseline": {"augmentatio": "none"}}, "Did you mean augmentation"),
        ({"baseline": {"augmentation": "non"}}, "baseline.augmentation is 'non', .*none, some"),
        (
            {"baseline": {"augmentation": ["none"]}},
            r"baseline.augmentation is \['none'\], .*none, some",
        ),
        ({"baseline": {"augmentation": {"a": 1}}}, "baseline.augmentation is {'a': 1}, expected"),
        ({"base": {"training": 3}}, "base.training is 3"),
        ({"preset": "smok"}, "smoke"),
        ({"name": "../up"}, "letters"),
        ({"name": 3}, "name is 3"),
    ],
)
def test_mistakes_in_a_file_are_named(
    write_grid: WriteGrid, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_grid(str(write_grid(**changed)))


@pytest.mark.parametrize("labels", ["1, 2", "0.5, 1.0", "off, on", "null, 2026-01-02"])
def test_a_baseline_may_name_a_label_that_is_no_text_in_yaml(
    write_grid: WriteGrid, tmp_path: Path, labels: str
) -> None:
    first, second = labels.split(", ")
    path = write_grid(axes=None, baseline=None)
    path.write_text(
        path.read_text()
        + f"axes: {{a: {{{first}: {{augment: {{p: 0.1}}}}, {second}: {{augment: {{p: 0.2}}}}}}}}\n"
        f"baseline: {{a: {second}}}\n"
    )
    grid = read_grid(str(path))
    assert [grid.baseline_axes(point) == point.axes for point in grid.points()] == [False, True]
    copy = tmp_path / "copy.yaml"
    copy.write_text(grid.as_yaml(), encoding="utf-8")
    assert read_grid(str(copy)) == grid


QUOTES = "YAML reads off, no, on and yes as False and True: write them in quotes"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"axes": {"a": {1: {}, "1": {}}}}, r"axes\.a has two labels '1', as text and not.*one\.$"),
        ({"axes": {"a": {"False": {}, False: {}}}}, f"two labels 'False'.*{QUOTES}"),
        (
            {"axes": {"a": {"off": {}, "on": {}}}, "baseline": {"a": False}},
            rf"baseline\.a is False, expected one of: off, on\. .*{QUOTES}",
        ),
    ],
)
def test_labels_that_yaml_reads_otherwise_than_they_look_are_named(
    write_grid: WriteGrid, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_grid(str(write_grid(**{"baseline": None, **changed})))


def test_what_an_axis_varies_cannot_be_set(write_grid: WriteGrid) -> None:
    grid = read_grid(str(write_grid()))
    with pytest.raises(UserError, match=r"augment\.mode is given, but an axis of grid 'tiny'"):
        grid.with_overrides([{"augment": {"mode": "ada"}}], seeds=None)


@pytest.mark.parametrize(
    ("key", "remedy"),
    [("budget", r"Give training\.total_kimg"), ("out", "Give --out")],
)
def test_what_only_a_run_by_itself_has_is_refused_wherever_it_is_given(
    write_grid: WriteGrid, key: str, remedy: str
) -> None:
    section = {"run": {key: "2h"}}
    in_axes = [
        ({f"run.{key}": ["2h", "3h"]}, rf"axes\.run\.{key} is \['2h', '3h'\], expected none"),
        ({"length": {"long": section}}, rf"axes\.length\.long\.run\.{key} is '2h', expected none"),
    ]
    for axes, wrong in in_axes:
        with pytest.raises(UserError, match=f"^{wrong}, .*{remedy}"):
            read_grid(str(write_grid(axes=axes, baseline=None)))
    with pytest.raises(UserError, match=rf"^base\.run\.{key} is '2h', expected none, .*{remedy}"):
        read_grid(str(write_grid(section)))
    grid = read_grid(str(write_grid({"run": {key: None}})))
    with pytest.raises(UserError, match=rf"^--set run\.{key} is '2h', expected none, .*{remedy}"):
        grid.with_overrides([section], seeds=None)


@pytest.mark.parametrize("name", grid_names())
def test_shipped_grids_are_valid_and_say_how_to_run_them(name: str) -> None:
    grid = read_grid(name)
    text = (Path(__file__).parents[3] / "configs" / "ablations" / f"{name}.yaml").read_text()
    assert text.startswith("# adavit ablate ")
    if name.endswith("-cpu") or name == "smoke":
        head = "".join(line for line in text.splitlines() if line.startswith("#"))
        assert re.search(r"\b(minutes?|hours?)\b", head), "the head says how long it takes on a CPU"
    assert grid.name == name
    assert grid.description
    points = list(grid.points())
    for point in points:
        build_config([point.settings])
    assert any(grid.baseline_axes(point) == point.axes for point in points)
    for point in points:
        training = build_config([point.settings]).training
        if name.endswith("-cpu") and not name.startswith("few-images"):
            # At 2,000 images what is compared is speed of learning, at 200 it is overfitting.
            assert training.total_kimg == (60 if name == "stems-cpu" else 120)
            assert training.batch == 32
        if name.endswith("-cpu"):
            # Else cells would be others where a processor has units for bf16.
            assert training.precision == "float32"
        assert training.total_kimg


def test_the_shipped_grids_are_those_that_were_promised() -> None:
    labels = {name: [point.label for point in read_grid(name).points()] for name in grid_names()}
    groups = ["none", "blit", "geom", "color", "filter", "noise", "cutout"]
    assert labels["groups"] == [*groups, "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"]
    assert labels["groups-cpu"] == ["none", "blit", "geom", "color", "bg", "bgc", "ada"]
    for form in ("", "-cpu"):
        fixed = ["p 0", "p 0.2", "p 0.4", "p 0.6", "p 0.8"]
        assert labels[f"probability{form}"] == [*fixed, "adaptive r_t", "adaptive r_v"]
        assert len(labels[f"size{form}"]) == 10
        assert len(labels[f"discriminator{form}"]) == 2
        assert labels[f"stems{form}"] == ["resnet", "vit-linear", "vit-overlap", "vit-conv"]
    assert len(labels["overfitting-cpu"]) == 6
    for form in ("", "-cpu"):
        sizes = 3 if form else 1
        assert len(labels[f"few-images{form}"]) == 3 * sizes * 2 * 10
        assert len(labels[f"few-images-groups{form}"]) == 3 * 2 * 10
        assert len(labels[f"few-images-probability{form}"]) == 3 * 2 * 6
        assert len(labels[f"few-images-leaks{form}"]) == 3 * 2 * 3
    subsets = yaml.safe_load(read_grid("size").as_yaml())["axes"]["data.subset"]
    assert subsets == [100, 500, 1000, 2000, 5000]


def test_the_grids_of_few_images_share_their_cells() -> None:
    """What is trained for one of them need not be trained for another."""
    settings: dict[str, dict[tuple[Any, ...], Any]] = {}
    for name in ("few-images-cpu", "few-images-groups-cpu", "few-images-probability-cpu"):
        settings[name] = {
            (*point.axes.values(),): build_config([point.settings]).as_dict()
            for point in read_grid(name).points()
        }
    methods, groups, probability = settings.values()
    leaks = {
        (*point.axes.values(),): build_config([point.settings]).as_dict()
        for point in read_grid("few-images-leaks-cpu").points()
    }
    for seed, discriminator in itertools.product((0, 1, 2), ("resnet", "vit")):
        own, at_300 = (seed, discriminator), (seed, 300, discriminator)
        assert groups[*own, "none"] == methods[*at_300, "none"] == probability[*own, "p 0"]
        fixed = methods[*at_300, "fixed p 0.4"]
        assert groups[*own, "bgc"] == fixed == probability[*own, "p 0.4"]
        assert probability[*own, "adaptive"] == methods[*at_300, "ADA r_t"]
        assert leaks[*own, "p 0.8"] == probability[*own, "p 0.8"]


def test_seeds_without_that_of_the_baseline_are_refused(write_grid: WriteGrid) -> None:
    grid = read_grid(str(write_grid(axes={"run.seed": [0, 1]}, baseline={"run.seed": 1})))
    assert list(grid.with_overrides([], seeds=[1, 2]).axes["run.seed"]) == [1, 2]
    with pytest.raises(UserError) as caught:
        grid.with_overrides([], seeds=[0, 2])
    assert str(caught.value) == (
        f"--seeds is 0,2, but grid {grid.name!r} compares with seed 1 (baseline), expected it among them. Name it"
        " too, or take run.seed out of baseline in the file."
    )
