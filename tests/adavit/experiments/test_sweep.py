import json
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
import yaml
from torchvision.models import squeezenet1_1

from adavit.errors import UserError
from adavit.experiments import tables, worker_pool
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.sweep import _plan, sweep
from adavit.experiments.sweep_file import Sweep, read_sweep
from adavit.runs.reading import networks_seen
from adavit.runtime.console import LineConsole
from adavit.runtime.signals import Stopped
from tests.small_weights import write_mobilenet


def chosen(folder: Path) -> dict[float, float]:
    """Best figure by value searched."""
    found = {}
    for note in folder.glob("*/cell.json"):
        lines = (note.parent / "metrics.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        figures = [each["fd_random"] for each in records if not each.get("untrained")]
        found[json.loads(note.read_text())["axes"]["training.r1_gamma"]] = min(figures)
    return found


def test_a_sweep_trains_with_the_values_it_draws_and_names_the_best(write_sweep: Any) -> None:
    # Fast, and the average follows at once: else every run's figures are about those of its start.
    fast = {"ema_half_life_kimg": 0, "generator_lr": 0.02, "discriminator_lr": 0.01}
    path = write_sweep({"training": fast})
    text = sweep(path)
    folder = Path("runs/sweeps/tiny")
    figures = chosen(folder)
    assert len(figures) == 3
    assert all(0.01 <= value <= 10 for value in figures)
    for note in folder.glob("*/cell.json"):
        value = json.loads(note.read_text())["axes"]["training.r1_gamma"]
        config = yaml.safe_load((note.parent / "config.yaml").read_text())
        assert config["training"]["r1_gamma"] == value
    assert len(set(figures.values())) == 3, "equal figures have no best"
    best = min(figures, key=figures.__getitem__)
    assert text.endswith(f"--set training.r1_gamma={best:.4g}")
    lines = text.splitlines()
    assert [float(line.split()[3]) for line in lines[1:4]] == [
        float(f"{figure:.4g}") for figure in sorted(figures.values())
    ]

    assert sweep(path) == text, "done is done"
    sweep(path, trials=4)
    assert {**chosen(folder), **figures} == chosen(folder)
    assert len(chosen(folder)) == 4


def test_an_interrupted_sweep_draws_what_an_uninterrupted_one_would_have(write_sweep: Any) -> None:
    class Impatient(LineConsole):
        def status(self, status: Any) -> None:
            if status.images == 24:
                raise Stopped(15)

    path = write_sweep(trials=3)
    sweep(path, out=Path("whole"))
    for _ in range(2):
        with pytest.raises(Stopped):
            sweep(path, out=Path("stopped"), console=Impatient())
    sweep(path, out=Path("stopped"))
    assert chosen(Path("stopped")) == chosen(Path("whole"))


def test_another_seed_draws_other_values(write_sweep: Any) -> None:
    path = write_sweep(trials=1)
    sweep(path, out=Path("a"))
    sweep(path, out=Path("b"), layers=[{"run": {"seed": 1}}])
    assert chosen(Path("a")).keys() != chosen(Path("b")).keys()


def test_a_pruned_run_is_noted_and_counts(
    write_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        optuna.pruners.MedianPruner, "prune", lambda self, study, trial: trial.last_step == 32
    )
    text = sweep(write_sweep(trials=2), out=Path("out"))
    assert text.count("pruned") == 2
    for note in Path("out").glob("*/cell.json"):
        values = json.loads(note.read_text())
        assert values["status"] == "pruned"
        assert "above the median" in values["reason"]
        assert len((note.parent / "metrics.jsonl").read_text().splitlines()) == 2


def test_a_run_measured_by_another_network_is_left_out_of_the_ranking(
    write_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([("fid", 60.0), ("fd_random", 0.4), ("fid", 50.0)])

    def trained(directory: CellDirectory, console: object) -> None:
        name, figure = next(found)
        record = {"images": 64, name: figure, "protocol": {}}
        directory.run.append(directory.run.metrics, record)

    monkeypatch.setattr(worker_pool, "train_here", trained)
    text = sweep(write_sweep({"metrics": {"extractor": "auto"}}))
    assert [line.split()[2:4] for line in text.splitlines()[1:3]] == [["fid", "50"], ["fid", "60"]]
    assert "\n1 of 3 runs have failed: it recorded fd_random, expected fid" in text


def test_the_table_shows_the_metric_that_is_ranked_by(
    write_sweep: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = iter([(1.0, 0.3), (2.0, 0.2), (3.0, 0.1)])

    def trained(directory: CellDirectory, console: object) -> None:
        fid, kid = next(found)
        record = {"images": 64, "fd_random": fid, "kid_random": kid, "protocol": {}}
        directory.run.append(directory.run.metrics, record)

    monkeypatch.setattr(worker_pool, "train_here", trained)
    lines = sweep(write_sweep(metric="kid")).splitlines()
    shown = [["kid_random", figure] for figure in ("0.1", "0.2", "0.3")]
    assert [line.split()[2:4] for line in lines[1:4]] == shown


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"search": {}}, "no search"),
        ({"search": {"r1_gamma": [1]}}, "search.r1_gamma is not a setting"),
        ({"search": {"training.r1_gamma": {"low": 2, "high": 1}}}, "low below high"),
        ({"search": {"training.r1_gamma": {"low": 0, "high": 1, "log": True}}}, "low above 0"),
        ({"search": {"training.r1_gamma": {"low": 0, "hi": 1}}}, "a list of values, or low, high"),
        ({"search": {"training.r1_gamma": []}}, "a list of values, or low, high"),
        ({"search": {"training.r1_gama": [1]}}, "Did you mean training.r1_gamma"),
        ({"search": {"training.batch": {"low": 0, "high": 8}}}, "training.batch is 0"),
        ({"metric": "kid50k"}, "metric is 'kid50k', but metrics.names is fid,kid"),
        ({"trials": -1}, "at least 1"),
        ({"trials": 0}, "at least 1"),
        ({"trials": "many"}, "trials is 'many'"),
    ],
)
def test_mistakes_are_named_before_the_first_run(
    write_sweep: Any, keys: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sweep(write_sweep(**keys))
    assert not Path("runs").exists()


def test_a_search_among_pretrained_features_is_judged_by_what_none_of_them_has_seen(
    write_sweep: Any, tmp_path: Path
) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    network = f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"
    base = {"metrics": {"extractor": "inception"}}
    given = read_sweep(write_sweep(base, search={"features.network": [None, network]}))
    plan = _plan(given)
    cells = [plan.make_cell("trial 0", {"features.network": each}) for each in (None, network)]
    for cell in cells:
        assert cell.settings["metrics"]["extractor"] == ["random", "inception"]
    assert [len(networks_seen(cell.settings)) for cell in cells] == [0, 1]
    plain = read_sweep(write_sweep(base))
    assert not _plan(plain).marked


def test_what_is_searched_is_checked_beside_all_else_that_is_searched(tmp_path: Path) -> None:
    torch.save(squeezenet1_1(weights=None).state_dict(), tmp_path / "squeeze.pth")
    squeezenet = f"torchvision:squeezenet1_1:{tmp_path / 'squeeze.pth'}"
    networks = [squeezenet, write_mobilenet(tmp_path / "mobile.pth")]
    base = {"data": {"source": "small_set", "resolution": 32}}
    projected = {**base, "discriminator": {"kind": "projected"}}
    plan = _plan(Sweep("tiny", "", projected, {"features.network": networks}, None, 3))
    assert plan.marked  # of the file alone no run could be made: it names no network
    kinds = {"discriminator.kind": ["resnet", "projected"], "features.network": networks}
    assert _plan(Sweep("tiny", "", base, kinds, None, 3)).marked


def test_a_sweep_over_none_names_it_as_a_file_does(write_sweep: Any) -> None:
    text = sweep(write_sweep(search={"features.vanishes_at": [None, 0.5]}, trials=1), dry_run=True)
    assert "features.vanishes_at  null, 0.5" in text


def test_a_sweep_is_not_mixed_into_the_folder_of_a_grid(write_sweep: Any) -> None:
    Path("out").mkdir()
    Path("out/grid.yaml").write_text("name: tiny\n")
    for dry_run in (True, False):
        with pytest.raises(UserError, match="holds the grid 'tiny', expected the sweep 'tiny'"):
            sweep(write_sweep(), out=Path("out"), dry_run=dry_run)


def test_a_sweep_does_not_go_on_with_other_settings_images_or_ranges(
    write_sweep: Any, pictures: Path, tmp_path: Path
) -> None:
    path = write_sweep(trials=1)
    sweep(path, out=Path("out"))
    kept = Path("out/sweep.yaml").read_text()
    layers = [{"training": {"drift": 0.1}}, {"data": {"source": "small_set:30"}}]
    calls = [(path, [layer]) for layer in [*layers, {"run": {"seed": 1}}]]
    other_end = {"training.r1_gamma": {"low": 0.01, "high": 1.0, "log": True}}
    for search in (other_end, {"training.generator_lr": {"low": 0.001, "high": 0.01}}):
        file = Path(write_sweep(search=search)).rename(tmp_path / f"{len(calls)}.yaml")
        calls.append((str(file), []))
    write_sweep(trials=2)
    for source, given in calls:
        with pytest.raises(UserError, match=r"begun with other .* Choose another --out\.$"):
            sweep(source, out=Path("out"), layers=given)
    database = f"sqlite:///{Path('out/queue.sqlite3').absolute()}"
    with pytest.raises(UserError, match=r"another --storage, or another name in the file\.$"):
        sweep(path, out=Path("apart"), layers=layers[:1], storage=database)
    assert Path("out/sweep.yaml").read_text() == kept
    assert len(chosen(Path("out"))) == 1
    moved = pictures.rename(tmp_path / "moved")
    same = {"data": {"source": str(moved)}, "run": {"status_every_kimg": 0.032}}
    sweep(path, out=Path("out"), layers=[same])
    assert len(chosen(Path("out"))) == 2
    Path(moved, "000.png").unlink()
    with pytest.raises(UserError, match="begun with other settings, images or ranges"):
        sweep(path, out=Path("out"), layers=[same])


def test_a_sweep_of_nothing_measured_says_what_to_name(write_sweep: Any) -> None:
    path = write_sweep({"metrics": {"names": "none"}})
    with pytest.raises(UserError, match=r"^metrics\.names is empty, .*--set metrics\.names=kid\.$"):
        sweep(path, dry_run=True)


def test_a_dry_run_of_one_run_says_so(write_sweep: Any) -> None:
    assert "\n1 run in runs/sweeps/tiny, lowest fd_random wins" in sweep(
        write_sweep(), trials=1, dry_run=True
    )


@pytest.mark.parametrize(
    ("extractor", "lowest"), [("random", "kid_random"), ("inception", "kid"), ("auto", "kid")]
)
def test_what_wins_is_called_as_it_is_recorded(
    write_sweep: Any, extractor: str, lowest: str
) -> None:
    path = write_sweep({"metrics": {"extractor": extractor, "names": "kid"}})
    assert f", lowest {lowest} wins; " in sweep(path, dry_run=True)


def test_a_dry_run_trains_nothing(write_sweep: Any) -> None:
    text = sweep(write_sweep(), dry_run=True)
    assert "training.r1_gamma  0.01 to 10, logarithmic" in text
    assert "3 runs in runs/sweeps/tiny, lowest fd_random wins" in text
    assert not Path("runs").exists()


def test_a_dry_run_says_of_which_values_its_time_is_and_counts_every_run(
    write_sweep: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "seconds_per_step", lambda *_, **__: 75.0)
    search = {"training.batch": [8, 16], "augment.preset": ["bg", "bgc"]}
    path = write_sweep(search=search)
    told = "lowest fd_random wins; 30 minutes"
    text = sweep(path, dry_run=True)
    assert told in text
    assert text.endswith(" That is with augment.preset bg, training.batch 8 in every run.")
    example = _plan(read_sweep(path)).make_cell(
        "trial 0", {"augment.preset": "bg", "training.batch": 8}
    )
    finished = CellDirectory(Path("runs/sweeps/tiny"), example)
    finished.make()
    finished.write_note("finished", attempts=1)
    assert told in sweep(path, dry_run=True)
