import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adavit.experiments.ablation import ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from adavit.experiments.liveness import WorkerIdentity
from adavit.runtime.console import LineConsole, Status
from tests.adavit.experiments.conftest import WriteGrid
from tests.adavit.experiments.postgresql import Server, running_server
from tests.adavit.experiments.queue_processes import (
    logs,
    open_queue,
    run_grid,
    start,
    take_all,
    untimed,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    pytest.importorskip("psycopg")
    with running_server() as running:
        yield running


@pytest.fixture
def server(running: Server) -> str:
    return running.url


def test_many_processes_that_start_at_once_do_each_job_once(server: str, tmp_path: Path) -> None:
    jobs = [f"job{number}" for number in range(12)]
    processes = [start(take_all, tmp_path, jobs, server) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    done = logs(tmp_path)
    assert sorted(done) == sorted(jobs)
    assert all(words[::2] == ["begin", "end"] for words in done.values()), done


def test_two_workers_share_a_grid_and_one_is_killed(
    server: str, write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(
        write_grid(
            {"run": {"checkpoint_every_kimg": 0.016}},
            name="shared",
            axes={"run.seed": [0, 1, 2]},
            baseline=None,
        )
    )
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    ablate(path, out=whole)
    dying = start(run_grid, path, shared, server, 40)
    living = start(run_grid, path, shared, server)
    assert dying.wait() == -signal.SIGKILL
    assert living.wait() == 0
    notes = [json.loads(file.read_text()) for file in shared.glob("*/cell.json")]
    assert [note["status"] for note in notes] == ["finished"] * 3
    assert sorted(note["attempts"] for note in notes) == [1, 1, 2]
    (taken,) = (note for note in notes if note["attempts"] == 2)
    assert f":{dying.pid}), continued from its checkpoint at 32 images" in taken["worker_note"]
    assert taken["pid"] == living.pid
    for cell in cells_of(read_grid(path)):
        assert untimed(shared / cell.digest) == untimed(whole / cell.digest)
    assert not (shared / "queue.sqlite3").exists()


def test_without_a_shared_folder_a_cell_begins_again_and_says_so(
    server: str, write_grid: WriteGrid, tmp_path: Path
) -> None:
    path = str(write_grid(name="apart", axes={"run.seed": [0, 1]}, baseline=None))
    first, second = tmp_path / "first machine", tmp_path / "second machine"
    assert start(run_grid, path, first, server, 40).wait() == -signal.SIGKILL
    table = ablate(path, out=second, storage=server)
    assert table.count("finished") == 2
    notes = [json.loads(file.read_text()) for file in second.glob("*/cell.json")]
    assert (
        sum(
            "begun again, since there is no checkpoint here" in (note["worker_note"] or "")
            for note in notes
        )
        == 1
    )
    third = tmp_path / "third machine"
    assert ablate(path, out=third, storage=server).count("finished elsewhere") == 2
    assert not list(third.glob("*/config.yaml"))
    assert "a-test" not in "".join(file.read_text() for file in second.rglob("*.yaml"))


@pytest.mark.parametrize("seconds", [0, 8])
def test_a_server_that_is_restarted_costs_nothing_but_the_time(
    running: Server, write_grid: WriteGrid, tmp_path: Path, seconds: int
) -> None:
    path = str(
        write_grid(name=f"restarted-for-{seconds}-s", axes={"run.seed": [0, 1]}, baseline=None)
    )
    whole, folder = tmp_path / "whole", tmp_path / "restarted"
    ablate(path, out=whole)

    class Restarts(LineConsole):
        def __init__(self) -> None:
            super().__init__()
            self.again: threading.Thread | None = None

        def status(self, status: Status) -> None:
            if self.again is None and status.images == 56:  # the cell ends within the outage
                running.stop()
                self.again = threading.Timer(seconds, running.start)
                self.again.start()

    console = Restarts()
    try:
        assert ablate(path, out=folder, storage=running.url, console=console).count("finished") == 2
    finally:
        assert console.again is not None
        console.again.join()
    for cell in cells_of(read_grid(path)):
        assert untimed(folder / cell.digest) == untimed(whole / cell.digest)
        note = json.loads((folder / cell.digest / "cell.json").read_text())
        assert (note["status"], note["attempts"]) == ("finished", 1)


def test_a_worker_in_another_time_zone_is_not_taken_for_dead(
    server: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(WorkerIdentity, "is_known_dead", lambda self: False)
    queues = []
    for zone in ("Pacific/Auckland", "America/Los_Angeles"):
        monkeypatch.setenv("PGTZ", zone)
        queues.append(open_queue(tmp_path, server, study="zones", heartbeat_s=0.1, grace_s=0.5))
    worker, other = queues
    claim = worker.claim(["a"])
    assert claim is not None
    for _ in range(10):
        time.sleep(0.1)
        assert worker.beat(claim)
        assert other.claim(["a"]) is None
