from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from adavit.config.auto import RunFacts, resolve
from adavit.config.layers import build_config, flatten
from adavit.config.presets import Preset, shipped_presets
from adavit.config.run import RunConfig
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runtime.resolution import Resolution
from adavit.training.start.absolute_paths import with_absolute_paths
from adavit.training.start.continued import (
    MAY_CHANGE_ON_RESUME,
    check_images_exist,
    choices_kept,
    continued_config,
)
from adavit.training.start.stored_settings import config_text

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


@pytest.mark.parametrize("fast", [None, True])
def test_a_fixed_order_of_sums_takes_the_place_of_the_fastest_that_was_chosen(
    tiny: Tiny, tmp_path: Path, fast: bool | None
) -> None:
    run = RunDirectory(tmp_path / "run")
    run.path.mkdir()
    config = resolve(tiny(), RunFacts(Resolution(16, 16), training_images=48, device="cuda"))
    assert config.training.fast_reduce
    run.config.write_text(yaml.safe_dump(config.as_dict()))
    given = {"deterministic": True} | ({} if fast is None else {"fast_reduce": fast})
    if fast:
        with pytest.raises(UserError, match=r"fast_reduce is on, but training\.deterministic"):
            continued_config(run, [{"training": given}])
    else:
        assert continued_config(run, [{"training": given}]).training.fast_reduce is False
    assert continued_config(run, [{"training": {"deterministic": False}}]).training.fast_reduce


@pytest.fixture
def of_slices(tiny: Tiny, tmp_path: Path) -> Callable[..., RunDirectory]:
    """A run with a batch of 16 in slices of 8."""

    def make(**discriminator: Any) -> RunDirectory:
        run = RunDirectory(tmp_path / "run")
        run.path.mkdir()
        training = {"batch": 16, "microbatch": 8}
        asked = tiny({"training": training, "discriminator": {"kind": "resnet", **discriminator}})
        facts = RunFacts(Resolution(16, 16), training_images=48, device="cpu")
        run.config.write_text(yaml.safe_dump(resolve(asked, facts).as_dict()))
        return run

    return make


@pytest.mark.parametrize("kind", [int, str])
def test_slices_that_its_groups_do_not_fit_are_told_of_with_those_that_they_do(
    of_slices: Callable[..., RunDirectory], kind: type
) -> None:
    run = of_slices()
    with pytest.raises(UserError) as caught:
        continued_config(run, [{"training": {"microbatch": kind(2)}}])
    assert str(caught.value) == (
        "training.microbatch is 2, but this run compares 4 images with each other"
        " (discriminator.minibatch_std_group), and keeps that; expected a multiple of 4 that divides training.batch"
        " (16). Use 4 or 8 or 16."
    )
    for fits in (4, 8, 16):
        found = continued_config(run, [{"training": {"microbatch": kind(fits)}}])
        assert found.training.microbatch == fits


@pytest.mark.parametrize("section", ["metrics", "run", "training"])
def test_a_section_that_is_none_is_told_of(directory: RunDirectory, section: str) -> None:
    with pytest.raises(UserError, match="expected a section of keys"):
        continued_config(directory, [{section: 3}])


def test_settings_that_somebody_has_taken_out_are_the_usual_ones(directory: RunDirectory) -> None:
    stored = yaml.safe_load(directory.config.read_text())
    del stored["training"]["batch"]
    directory.config.write_text(yaml.safe_dump({**stored, "run": None}))
    assert continued_config(directory, [{"training": {"microbatch": 1}}]).run.seed == 0


@pytest.mark.parametrize("given", [2, "2", None, "auto"])
def test_slices_are_free_where_no_images_are_compared(
    of_slices: Callable[..., RunDirectory], given: object
) -> None:
    run = of_slices(minibatch_std_group=0)
    assert flatten(yaml.safe_load(run.config.read_text()))["features.minibatch_std_group"]
    found = continued_config(run, [{"training": {"microbatch": given}}]).training.microbatch
    assert found == {2: 2, "2": 2, None: None, "auto": 8}[given]


WORDS: list[dict[str, dict[str, Any]]] = [
    {},
    {"run": {"memory": "8GB"}},
    {"metrics": {"extractor": "auto,random"}},
    {"metrics": {"extractor": ["random", "auto"], "names": "kid, fid"}},
    {
        "data": {"channels": "auto", "data_root": "~/sets"},
        "run": {"keep_checkpoints": "3,every:200"},
    },
]


@pytest.mark.parametrize("words", WORDS, ids=str)
@pytest.mark.parametrize("preset", shipped_presets(), ids=lambda preset: preset.name)
def test_what_a_run_was_started_with_is_no_change(
    tmp_path: Path, preset: Preset, words: dict[str, dict[str, Any]]
) -> None:
    directory = RunDirectory(tmp_path)
    layers = [
        preset.settings,
        {"data": {"source": "small_set"}},
        words,
    ]
    asked = build_config(layers)
    facts = RunFacts(
        asked.given("data.resolution") or Resolution(32, 32), training_images=48, device="cpu"
    )
    config = with_absolute_paths(resolve(asked, facts))
    # What the device, the memory and the weights that are to be had decide.
    resolved = config.model_copy(
        update={
            "metrics": config.metrics.model_copy(update={"extractor": ("random",)}),
            "run": config.run.model_copy(update={"memory": None}),
        }
    )
    directory.config.write_text(config_text(resolved))
    assert continued_config(directory, layers) == continued_config(directory, [])
    kept = choices_kept(directory, layers)
    assert len(kept) == ("memory" in words.get("run", {}))
    for note in kept:
        assert (
            f"goes on with {resolved.training.images_at_a_time} of {resolved.training.batch}"
            in note
        )


@pytest.mark.parametrize(
    ("given", "had_budget", "is_kept"),
    [
        (["fid", "kid"], True, True),
        ("fid,kid", True, True),
        ("fid", True, False),
        ("fid,kid", False, False),
    ],
)
def test_figures_that_a_budget_has_left_no_time_for_are_no_change(
    directory: RunDirectory, given: object, had_budget: bool, is_kept: bool
) -> None:
    stored = yaml.safe_load(directory.config.read_text())
    stored["metrics"]["names"] = []
    directory.config.write_text(yaml.safe_dump(stored))
    if had_budget:
        directory.budget.write_text("{}")
    layers = [{"metrics": {"names": given}}]
    if not is_kept:
        with pytest.raises(UserError, match=r"metrics\.names is .* was started with"):
            continued_config(directory, layers)
        return
    assert continued_config(directory, layers).metrics.names == ()
    assert choices_kept(directory, []) == []
    (note,) = choices_kept(directory, layers)
    assert note.startswith("metrics.names is fid,kid, for which the budget")


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


def test_images_that_have_moved_are_asked_for(
    directory: RunDirectory, tiny: Tiny, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone")
    check_images_exist(directory, tiny({"data": {"source": "small_set"}}))
    check_images_exist(directory, tiny({"metrics": {"reference": str(tmp_path)}}))
    with pytest.raises(UserError, match=r"not at .*gone.*--resume .* --data FOLDER"):
        check_images_exist(directory, tiny({"data": {"source": gone}}))
    with pytest.raises(UserError, match=r"not at .*gone.*--resume .* --metric-data FOLDER"):
        check_images_exist(directory, tiny({"metrics": {"reference": gone}}))
    check_images_exist(directory, tiny({"metrics": {"reference": gone, "names": []}}))
