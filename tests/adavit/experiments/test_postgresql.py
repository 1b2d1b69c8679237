import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from adavit.experiments.ablation import ablate
from adavit.experiments.cell import cells_of
from adavit.experiments.grid_file import read_grid
from tests.adavit.experiments.conftest import WriteGrid
from tests.adavit.experiments.postgresql import running_server
from tests.adavit.experiments.queue_processes import logs, run_grid, start, take_all, untimed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg")
    with running_server() as url:
        yield url


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
