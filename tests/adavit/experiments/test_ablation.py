import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.errors import RunError, UserError
from adavit.experiments.ablation import ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.runs.directory import RunDirectory
from adavit.runs.records import read_records
from adavit.runtime.console import LineConsole
from adavit.runtime.signals import Stopped
from adavit.training import trainer
from adavit.training.start import build
from adavit.training.train import train
from tests.adavit.experiments.conftest import WriteGrid
from tests.adavit.experiments.queue_processes import run_grid, start, untimed

CELL_FILES = {
    "cell.json", "checkpoint.pt", "config.yaml", "data.json", "environment.json",
    "generator-best.safetensors", "generator-last.safetensors", "metrics.jsonl", "samples",
    "stats.jsonl", "worker.log",
}  # fmt: skip

OPTIONAL = {"tensorboard", ".lock", "curves.png"}


@pytest.fixture(autouse=True)
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing them takes longer than all the rest of such a run."""
    monkeypatch.setattr(trainer, "draw_curves", lambda directory: None)


def notes(folder: Path) -> dict[str, dict[str, Any]]:
    """`cell.json` of each cell, by label."""
    found = [json.loads(path.read_text()) for path in folder.glob("*/cell.json")]
    return {note["label"]: note for note in found}


def test_a_grid_leaves_a_run_directory_per_cell_and_a_table(write_grid: WriteGrid) -> None:
    path = write_grid()
    table = ablate(str(path))
    folder = Path("runs/ablations/tiny")
    digests = {cell.label: cell.digest for cell in cells_of(read_grid(str(path)))}
    assert {entry.name for entry in folder.iterdir()} == {
        *digests.values(),
        "grid.yaml",
        "queue.sqlite3",
    }
    assert read_grid(str(folder / "grid.yaml")) == read_grid(str(path))
    for label, digest in digests.items():
        assert {entry.name for entry in (folder / digest).iterdir()} - OPTIONAL == CELL_FILES
        note = notes(folder)[label]
        assert note["cell"] == digest
        assert note["grid"] == "tiny"
        assert note["axes"] == {"augmentation": label}
        assert note["baseline"] == (label == "none")
        assert (note["status"], note["reason"], note["attempts"]) == ("finished", None, 1)
    # Figures of the table, recomputed from the logs.
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["cell", "metric", "best", "last", "r_t", "p", "gap", "images/s", "state"]
    for label, line in zip(["none", "some"], lines[1:], strict=True):
        run = folder / digests[label]
        figures = [record["fd_random"] for record in read_records(run / "metrics.jsonl")]
        last = read_records(run / "stats.jsonl")[-1]
        gap = last["logits_train"] - last["logits_heldout"]
        assert line[-7:-1] == [
            f"{min(figures):.4g}", f"{figures[-1]:.4g}", f"{last['r_t']:+.2f}", f"{last['p']:.3f}",
            f"{gap:+.2f}", f"{last['images_per_s']:.0f}",
        ]  # fmt: skip
        assert line[-1] == "finished"

    before = {path: path.stat().st_mtime_ns for path in folder.glob("*/*")}
    assert ablate(str(path)) == table
    assert {path: path.stat().st_mtime_ns for path in folder.glob("*/*")} == before


def test_cells_see_the_same_images_and_latents(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []

    def build_step(workload: Any) -> Any:
        step = build.build_step(workload)
        built.append([])

        class Spy:
            def __getattr__(self, name: str) -> Any:
                return getattr(step, name)

            def __call__(
                self, real: torch.Tensor, labels: Any, *, images: int, streams: Any
            ) -> Any:
                built[-1].append((real.clone(), streams.latents.initial_seed(), images))
                return step(real, labels, images=images, streams=streams)

        return Spy()

    monkeypatch.setattr("adavit.training.start.first_step.build_step", build_step)
    axes = {
        "augmentation": {
            "none": {"augment": {"mode": "none"}},
            "ada": {"augment": {"mode": "ada"}},
        },
        "run.seed": [0, 1],
    }
    ablate(str(write_grid(axes=axes)))
    assert [len(steps) for steps in built] == [8, 8, 8, 8]
    seen = [
        (torch.stack([step[0] for step in steps]), [step[1:] for step in steps]) for steps in built
    ]
    for first, second in ((0, 2), (1, 3)):  # none and ada of one seed
        assert torch.equal(seen[first][0], seen[second][0])
        assert seen[first][1] == seen[second][1]
    assert not torch.equal(seen[0][0], seen[1][0]), "seeds draw other images"
    assert seen[0][1] != seen[1][1]


def test_a_run_that_was_moved_there_is_adopted(write_grid: WriteGrid, tmp_path: Path) -> None:
    path = write_grid()
    first, _ = cells_of(read_grid(str(path)))
    trained = train(first.config(tmp_path / "elsewhere"))
    folder = tmp_path / "out"
    folder.mkdir()
    shutil.move(trained, folder / first.digest)
    checkpoint = (folder / first.digest / "checkpoint.pt").stat().st_mtime_ns
    ablate(str(path), out=folder)
    assert (folder / first.digest / "checkpoint.pt").stat().st_mtime_ns == checkpoint
    assert {note["status"] for note in notes(folder).values()} == {"finished"}


def test_a_cell_that_fails_is_recorded_and_does_not_stop_the_grid(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = write_grid()
    folder = tmp_path / "out"
    first, second = cells_of(read_grid(str(path)))
    # Another run lies where the first cell belongs.
    train(second.config(folder / first.digest))
    with pytest.raises(
        RunError, match=r"(?s)none: augment\.mode is 'none', but the run.*1 of 2 cells have failed"
    ):
        ablate(str(path), out=folder)
    assert notes(folder)["some"]["status"] == "finished"
    assert notes(folder)["none"]["status"] == "failed"
    assert "was started with 'fixed'" in notes(folder)["none"]["reason"]
    shutil.rmtree(folder / first.digest)
    with pytest.raises(RunError, match="1 of 2 cells have failed"):
        ablate(str(path), out=folder)
    table = ablate(str(path), out=folder, retry_failed=True)
    assert table.count("finished") == 2
    assert (notes(folder)["none"]["attempts"], notes(folder)["none"]["reason"]) == (2, None)


def test_a_mistake_of_ours_is_recorded_with_its_traceback(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build_step(workload: Any) -> Any:
        raise ZeroDivisionError("one\ntwo")

    monkeypatch.setattr("adavit.training.start.first_step.build_step", build_step)
    with pytest.raises(RunError, match="2 of 2 cells"):
        ablate(str(write_grid()), out=Path("out"))
    assert notes(Path("out"))["none"]["reason"] == "ZeroDivisionError: one"
    logs = [path.read_text() for path in Path("out").glob("*/worker.log")]
    assert all("Traceback" in log and 'raise ZeroDivisionError("one' in log for log in logs)


def test_a_run_that_a_living_process_still_trains_is_waited_for(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write_grid(axes={"run.seed": [0]}, baseline=None))
    (cell,) = cells_of(read_grid(path))
    run = RunDirectory(Path("out").absolute() / cell.digest)
    run.path.mkdir(parents=True)
    held = run.claimed()
    held.__enter__()
    waited = []

    def sleep(seconds: float) -> None:
        if not waited:
            held.__exit__(None, None, None)
        waited.append(seconds)

    monkeypatch.setattr("adavit.experiments.worker.time.sleep", sleep)
    assert ablate(path, out=Path("out")).count("finished") == 1
    assert len(waited) == 1
    note = json.loads((run.path / "cell.json").read_text())
    assert (note["status"], note["attempts"]) == ("finished", 2)


def test_a_signal_puts_the_cell_back_with_a_checkpoint(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    class Impatient(LineConsole):
        def status(self, status: Any) -> None:
            if status.images == 24:
                signal.raise_signal(signal.SIGTERM)

    path, whole, stopped = str(write_grid()), tmp_path / "whole", tmp_path / "stopped"
    ablate(path, out=whole)
    with pytest.raises(Stopped, match="SIGTERM"):
        ablate(path, out=stopped, console=Impatient())
    (run,) = stopped.glob("*/checkpoint.pt")
    assert torch.load(run, weights_only=True)["progress"]["images"] == 24
    ablate(path, out=stopped)
    for cell in cells_of(read_grid(path)):
        assert untimed(stopped / cell.digest) == untimed(whole / cell.digest)
    assert notes(stopped)["none"]["attempts"] == 2


def test_another_grid_is_not_mixed_into_a_folder(write_grid: WriteGrid) -> None:
    Path("out").mkdir()
    Path("out/grid.yaml").write_bytes(write_grid().read_bytes())
    with pytest.raises(UserError, match="holds the grid 'tiny', expected 'other'"):
        ablate(str(write_grid(name="other")), out=Path("out"))


def test_a_dry_run_lists_cells_and_trains_nothing(write_grid: WriteGrid) -> None:
    path = write_grid()
    text = ablate(str(path), dry_run=True, workers=2)
    assert not Path("runs").exists()
    for cell in cells_of(read_grid(str(path))):
        assert cell.digest in text
    assert "augment.mode none  (baseline)" in text
    assert "augment.mode fixed, augment.p 0.5" in text
    assert "2 cells in runs/ablations/tiny" in text
    assert "with 2 workers" in text
    ablate(str(path))
    assert ablate(str(path), dry_run=True).count("finished") == 2


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (["cpu", "cuda"], "cpu and cuda, expected one kind"),
        (["cuda:x"], "names 'cuda:x'"),
        (["tpu"], "tpu"),
    ],
)
def test_devices_that_do_not_go_together_are_refused(
    write_grid: WriteGrid, devices: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ablate(str(write_grid()), devices=devices)


def compare_with_uninterrupted(path: str, interrupted: Path, whole: Path) -> None:
    for cell in cells_of(read_grid(path)):
        assert untimed(interrupted / cell.digest) == untimed(whole / cell.digest)
        states = [
            torch.load(folder / cell.digest / "checkpoint.pt", weights_only=True)
            for folder in (interrupted, whole)
        ]
        for part in ("generator", "discriminator", "average"):
            for name, tensor in states[0][part].items():
                assert torch.equal(tensor, states[1][part][name]), f"{part}.{name}"


@pytest.mark.slow
def test_a_killed_workers_cell_is_taken_over_to_the_same_bits(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(write_grid({"run": {"checkpoint_every_kimg": 0.016}}))
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    ablate(path, out=whole)
    assert start(run_grid, path, folder, None, 40).wait() == -signal.SIGKILL
    (run,) = folder.glob("*/checkpoint.pt")
    assert torch.load(run, weights_only=True)["progress"]["images"] == 32
    ablate(path, out=folder)
    compare_with_uninterrupted(path, folder, whole)
    taken = notes(folder)["none"]
    assert taken["attempts"] == 2
    assert "continued from its checkpoint at 32 images" in taken["worker_note"]


@pytest.mark.slow
def test_workers_in_processes_of_their_own_share_a_grid(
    write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(write_grid(axes={"run.seed": [0, 1, 2]}, baseline=None))
    ablate(path, out=tmp_path / "alone")
    table = ablate(path, out=tmp_path / "shared", workers=2)
    assert table.count("finished") == 3
    compare_with_uninterrupted(path, tmp_path / "shared", tmp_path / "alone")
    records = [json.loads(file.read_text()) for file in tmp_path.glob("shared/*/cell.json")]
    assert [record["attempts"] for record in records] == [1, 1, 1]
    assert len({record["pid"] for record in records}) == 2
