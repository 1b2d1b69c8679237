import json
import signal
from pathlib import Path

import pytest
import torch

from adavit.errors import UserError
from adavit.experiments import worker_pool
from adavit.experiments.ablation import ablate
from adavit.experiments.worker_pool import WorkerPool
from adavit.runtime.signals import Stopped
from tests.adavit.experiments.conftest import WriteGrid, compare_with_uninterrupted


@pytest.mark.parametrize(
    ("devices", "message"),
    [
        (["cpu", "cuda"], "cpu and cuda, expected one kind"),
        (["cuda:x"], "names 'cuda:x'"),
        (["cuda:²"], "names 'cuda:²'"),
        (["tpu"], "tpu"),
    ],
)
def test_devices_that_do_not_go_together_are_refused(
    write_grid: WriteGrid, devices: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        ablate(str(write_grid()), devices=devices)


def test_a_number_that_no_device_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_pool, "choose_device", lambda *_, **__: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    WorkerPool(tmp_path, devices=("cuda:0",)).check_devices()
    message = r"names cuda:7, but torch finds 1 CUDA device here, expected numbers below 1\. Corr"
    with pytest.raises(UserError, match=message):
        WorkerPool(tmp_path, devices=("cuda:0", "cuda:7")).check_devices()


@pytest.mark.slow
@pytest.mark.usefixtures("no_curves")
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


def test_as_many_workers_as_devices_unless_told(tmp_path: Path) -> None:
    def workers(number: int | None, *devices: str) -> int:
        pool = WorkerPool.asked_for(tmp_path, storage=None, workers=number, devices=devices)
        return pool.workers

    assert workers(None) == 1
    assert workers(None, "cuda:0", "cuda:1") == 2
    assert workers(3, "cuda:0", "cuda:1") == 3


def test_devices_lay_their_kind_over_the_settings_of_all_cells(tmp_path: Path) -> None:
    assert WorkerPool(tmp_path).settings == []
    devices = ("cuda:0", "cuda:1")
    assert WorkerPool(tmp_path, devices=devices).settings == [{"run": {"device": "cuda"}}]


def test_an_experiment_that_is_stopped_goes_on_by_itself_not_cell_by_cell(
    write_grid: WriteGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(worker: object) -> None:
        raise Stopped(signal.SIGTERM, go_on="adavit train --resume the/cell")

    monkeypatch.setattr("adavit.experiments.worker_pool.Worker.run", stopped)
    with pytest.raises(Stopped) as stop:
        ablate(str(write_grid()))
    assert (stop.value.signal_number, stop.value.go_on) == (signal.SIGTERM, "the same command")
