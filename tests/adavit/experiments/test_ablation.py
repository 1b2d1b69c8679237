from pathlib import Path
from typing import Any

import pytest
import torch

from adavit.errors import UserError
from adavit.experiments.ablation import ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.runs.records import read_records
from adavit.training.start import build
from tests.adavit.experiments.conftest import WriteGrid
from tests.adavit.experiments.queue_processes import notes
from tests.adavit.report.synthetic import table_of

CELL_FILES = {
    "cell.json", "checkpoint.pt", "checkpoint-1.pt", "config.yaml", "data.json",
    "environment.json", "generator-best.safetensors", "generator-last.safetensors", "metrics.jsonl", "samples",
    "stats.jsonl", "worker.log",
}  # fmt: skip

OPTIONAL = {"tensorboard", ".lock", ".adavit-results", "curves.png"}


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
        records = read_records(run / "metrics.jsonl")
        assert [bool(record.get("untrained")) for record in records][:2] == [True, False]
        figures = [record["fd_random"] for record in records[1:]]  # of what was trained
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


def test_cells_whose_figures_were_brought_from_elsewhere_are_not_trained_again(
    write_grid: WriteGrid,
) -> None:
    path = write_grid()
    table = ablate(str(path))
    folder = Path("runs/ablations/tiny")
    for entry in [
        folder / "queue.sqlite3",
        *folder.glob("*/*.pt"),
        *folder.glob("*/*.safetensors"),
    ]:
        entry.unlink()
    assert ablate(str(path), dry_run=True).count("finished") == 2
    assert ablate(str(path)) == table
    assert not list(folder.glob("*/*.pt"))
    assert all(note["status"] == "finished" for note in notes(folder).values())


def test_finished_cells_are_what_the_grid_says_now(write_grid: WriteGrid) -> None:
    none, some = {"augment": {"mode": "none"}}, {"augment": {"mode": "fixed", "p": 0.5}}
    axes: dict[str, Any] = {"augmentation": {"none": none, "some": some}, "run.seed": [0]}
    ablate(str(write_grid(axes=axes, baseline=None)))
    axes = {"augmentation": {"without": none, "some": some}, "run.seed": [0, 1]}
    ablate(str(write_grid(axes=axes, baseline={"augmentation": "some"})))
    rows = table_of(Path("runs/ablations/tiny")).rows
    assert [(row.label, row.seeds, row.compared_with) for row in rows] == [
        ("some", 2, None),
        ("without", 2, "some"),
    ]


def test_cells_see_the_same_images_and_latents(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Any] = []
    original = build.build_step

    def build_step(*arguments: Any) -> Any:
        step = original(*arguments)
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

    monkeypatch.setattr("adavit.training.start.build.build_step", build_step)
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


def test_another_grid_is_not_mixed_into_a_folder(write_grid: WriteGrid) -> None:
    Path("out").mkdir()
    Path("out/grid.yaml").write_bytes(write_grid().read_bytes())
    with pytest.raises(UserError, match="holds the grid 'tiny', expected the grid 'other'"):
        ablate(str(write_grid(name="other")), out=Path("out"))
