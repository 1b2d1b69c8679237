import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adavit.config.layers import merge
from adavit.errors import UserError
from adavit.experiments.cell import CHANGES_NO_RESULT, make_cell
from adavit.experiments.cell_directory import CellDirectory
from adavit.training.start.continued import MAY_CHANGE_ON_RESUME, continued_config
from adavit.training.start.stored_settings import config_text
from tests.adavit.experiments.conftest import BASE, make_weights
from tests.checkpoints import save_checkpoint
from tests.published_vit import write_published


@pytest.fixture
def directory(pictures: Path, tmp_path: Path) -> CellDirectory:
    settings = merge(BASE, {"data": {"source": str(pictures)}})
    cell = make_cell("tiny", settings, axes={"a": "x"}, varied={"run.seed": 0}, label="x")
    directory = CellDirectory(tmp_path / "out", cell)
    directory.make()
    return directory


def begin(directory: CellDirectory, images: int | None, fingerprint: str) -> None:
    """Leaves what a run of the cell would, as far as it is looked at."""
    config = directory.cell.config(directory.path)
    directory.run.config.write_text(config_text(config))
    directory.run.data.write_text(json.dumps({"fingerprint": fingerprint}))
    if images is not None:
        save_checkpoint(directory.run.checkpoint, {"progress": {"images": images}})


@pytest.mark.parametrize(
    ("images", "finished"), [(None, False), (0, False), (56, False), (64, True)]
)
def test_a_run_is_finished_when_its_checkpoint_is_at_its_end(
    directory: CellDirectory, images: int | None, finished: bool
) -> None:
    assert not directory.begun()
    assert not directory.is_finished()
    begin(directory, images, directory.cell.fingerprint)
    assert directory.begun()
    assert directory.checkpoint_images() == images
    assert directory.is_finished() == finished


def test_what_was_finished_stays_so_without_its_weights(directory: CellDirectory) -> None:
    begin(directory, 64, directory.cell.fingerprint)
    directory.write_note("finished", attempts=1)
    assert not directory.has_figures_alone()
    directory.run.checkpoint.unlink()
    assert directory.has_figures_alone()
    assert directory.is_finished()
    directory.run.damaged(directory.run.checkpoint).touch()
    assert not directory.is_finished()  # they were not removed: something went wrong with them


@pytest.mark.parametrize("changed", [{"status": "running"}, {"cell": "0" * 12}])
def test_a_note_of_something_else_makes_no_run_finished(
    directory: CellDirectory, changed: dict[str, str]
) -> None:
    begin(directory, None, directory.cell.fingerprint)
    directory.write_note("finished", attempts=1)
    directory.run.cell_note.write_text(json.dumps(directory.note() | changed))
    assert not directory.is_finished()


def test_a_run_of_other_images_is_not_the_cells(directory: CellDirectory) -> None:
    begin(directory, 64, "f" * 64)
    with pytest.raises(UserError, match=r"trained on other images \(fingerprint ffffffffffff"):
        directory.is_finished()


@pytest.mark.parametrize("key", ["transfer", "distill_network"])
def test_weights_to_start_from_may_move_while_a_run_is_under_way(
    pictures: Path, tmp_path: Path, key: str
) -> None:
    settings = merge(BASE, {"data": {"source": str(pictures)}, "discriminator": {"patch": 8}})
    found = []
    for name in ("a", "b"):
        file = tmp_path / name / "weights.pth"
        file.parent.mkdir()
        if key == "transfer":
            make_weights(key, file := file.with_suffix(".safetensors"))
            layer: dict[str, Any] = {"training": {key: str(file)}}
        else:
            layer = {"training": {key: write_published(file), "distill_weight": 1.0}}
        cell = make_cell("tiny", merge(settings, layer), axes={}, varied={}, label="x")
        found.append(CellDirectory(tmp_path / "out", cell))
    before, after = found
    assert before.path == after.path
    before.make()
    begin(before, 64, before.cell.fingerprint)
    assert after.is_finished()
    kept = continued_config(after.run, [after.layer()]).training
    if key == "distill_network":  # which is looked at again, and where it lies now
        assert kept.distill_network.endswith(f":{tmp_path / 'b' / 'weights.pth'}")
    else:  # which is in the checkpoint
        assert str(kept.transfer) == str(tmp_path / "a" / "weights.safetensors")


def test_what_changes_no_result_may_change_while_a_run_is_under_way() -> None:
    keys = {f"{section}.{key}" for section, keys in CHANGES_NO_RESULT.items() for key in keys}
    assert keys <= MAY_CHANGE_ON_RESUME


def test_images_to_compare_with_may_move_while_a_run_is_under_way(
    pictures: Path, tmp_path: Path
) -> None:
    def comparing_with(reference: Path) -> CellDirectory:
        layer = {"data": {"source": str(pictures)}, "metrics": {"reference": str(reference)}}
        cell = make_cell("tiny", merge(BASE, layer), axes={}, varied={}, label="x")
        return CellDirectory(tmp_path / "out", cell)

    reference, moved = tmp_path / "reference", tmp_path / "moved"
    shutil.copytree(pictures, reference)
    before = comparing_with(reference)
    before.make()
    begin(before, 64, before.cell.fingerprint)
    after = comparing_with(reference.rename(moved))
    assert before.path == after.path
    assert after.is_finished()
    assert continued_config(after.run, [after.layer()]).metrics.reference == str(moved)


def test_the_note_says_whose_run_it_is_and_keeps_how_a_worker_came_to_it(
    directory: CellDirectory,
) -> None:
    assert directory.note() == {}
    directory.cell = replace(directory.cell, compared_with="c0ffee", weights="of the start")
    directory.write_note("running", attempts=2, worker_note="taken over")
    directory.write_note("failed", attempts=2, reason="no luck")
    note = directory.note()
    assert (note["grid"], note["cell"], note["axes"]) == ("tiny", directory.cell.digest, {"a": "x"})
    assert (note["status"], note["reason"], note["attempts"]) == ("failed", "no luck", 2)
    assert (note["baseline"], note["compared_with"]) == (False, "c0ffee")
    assert note["weights"] == "of the start"
    assert (note["worker_note"], note["pid"]) == ("taken over", os.getpid())
    (directory.path / "cell.json").write_text("{half")
    assert directory.note() == {}


@pytest.mark.parametrize("status", ["finished", "failed", "running"])
def test_the_note_follows_the_grid_once_the_cell_has_ended(
    directory: CellDirectory, status: str
) -> None:
    directory.bring_note_up_to_date()
    assert directory.note() == {}
    directory.write_note(status, attempts=3, reason="no luck", worker_note="taken over")
    before = directory.note()
    renamed = {"axes": {"b": "y"}, "label": "y", "baseline": True, "compared_with": "c0ffee"}
    directory.cell = replace(directory.cell, **renamed)
    directory.bring_note_up_to_date()
    assert directory.note() == before | (renamed if status != "running" else {})


def test_a_note_of_another_cell_is_left_alone(directory: CellDirectory) -> None:
    directory.write_note("finished", attempts=1)
    before = directory.note()
    directory.cell = replace(directory.cell, digest="0" * 12, label="y")
    directory.bring_note_up_to_date()
    assert directory.note() == before


def test_figures_are_those_that_are_finite_and_of_what_was_trained(
    directory: CellDirectory,
) -> None:
    for images, figure in ((0, 2.0), (32, float("inf")), (64, None), (96, 3)):
        protocol = {"extractor": "random"}
        record = {"images": images, "fd_random": figure, "protocol": protocol}
        marked = {"untrained": True} if images == 0 else {}
        directory.run.append(directory.run.metrics, record | marked)
    assert directory.figures("fd_random") == [(96, 3)]
    assert directory.figures("fid") == directory.figures(None) == []
