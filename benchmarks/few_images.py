"""The benchmark of few images, in as many sittings and on as many machines as it takes, and its verdicts.

    python benchmarks/few_images.py sit --minutes 60 --workers 2    trains cells, keeps a record of each finished one
    python benchmarks/few_images.py runs --out /tmp/few_images      run directories of the records, for adavit report
    python benchmarks/few_images.py verdicts                        the claims, to benchmarks/results/few_images.md

A sitting goes through the grids few-images-leaks-cpu, -probability-cpu, -groups-cpu and few-images-cpu with `adavit
ablate`, one process for each worker with one thread. Cells that have a record are not trained again, whichever grid and
machine they were trained for: the grids name all that "auto" chooses by the device. Commit the records; run directories
may be thrown away. A cell that a sitting leaves half trained goes on where the next one finds its directory, and else
begins again. `--keepers` processes look into finished cells while others are trained.

Networks this small leave a GPU idle. Under NVIDIA's MPS (`nvidia-cuda-mps-control -d` beforehand) it works for all
workers at once: `--workers 24` then finishes a cell every 5.5 s on an H200.
"""

import argparse
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

# Instead of the folder of this script, where augment.py would hide the package of that name.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from adavit.errors import UserError
from adavit.experiments.cell import Cell, Sources, cells_of
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.grid_file import read_grid
from adavit.runs.directory import RunDirectory, RunTaken
from benchmarks.claims.cell_record import CellRecord
from benchmarks.claims.findings import Probes, look_into
from benchmarks.claims.page import page_of
from benchmarks.claims.results import GRIDS, cells_with_records, results_of

RESULTS = Path(__file__).resolve().parent / "results"
RECORDS = RESULTS / "few_images"
PAGE = RESULTS / "few_images.md"
PAUSE_S = 10.0
"""Between two looks at which cells are finished."""


def read_records(folder: Path) -> dict[str, CellRecord]:
    """The records in a folder, by the digest that their cells have in this version of adavit."""
    sources, found = Sources(), {}
    for path in sorted(folder.glob("*.json")):
        record = CellRecord.read(path)
        try:
            found[record.digest(sources)] = record
        except UserError as error:
            print(f"{path.name} is left out: {error}", file=sys.stderr)
    return found


def finished_runs(folder: Path, cells: Sequence[Cell]) -> Iterator[CellDirectory]:
    """Cells that have come to their end, and still have their weights."""
    for cell in cells:
        directory = CellDirectory(folder, cell)
        if directory.note().get("status") == "finished" and directory.run.checkpoints():
            yield directory


@functools.cache
def probes_here() -> Probes:
    """Those of this process, trained when a cell is first looked into."""
    return Probes()


def keep(directory: CellDirectory, records: Path) -> None:
    """Looks into a finished cell, keeps its record and removes its weights."""
    look_into(directory.path, probes_here())
    CellRecord.of_run(directory.path).write(records / f"{directory.cell.digest}.json")
    remove_weights(directory.run)


def remove_weights(run: RunDirectory) -> None:
    """What a cell with a record needs no more."""
    checkpoints = (*run.checkpoints(), *run.damaged_checkpoints(), run.sound_checkpoint)
    for path in (*checkpoints, run.best_generator, run.last_generator):
        path.unlink(missing_ok=True)


def bring(record: CellRecord, folder: Path, cell: Cell) -> None:
    """Makes a cell that is not finished here one that is, unless a process trains it at this moment."""
    directory = CellDirectory(folder, cell)
    if directory.note().get("status") == "finished":
        directory.bring_note_up_to_date()
        return
    directory.make()
    with suppress(RunTaken), directory.run.claimed():
        remove_weights(directory.run)  # of what was half trained, which nobody is to go on with
        record.bring_to(folder, cell)


def train(grid: str, out: Path, workers: int) -> "subprocess.Popen[bytes]":
    """`adavit ablate` with one thread for each worker."""
    command = [sys.executable, "-m", "adavit", "ablate", grid, "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*command, "--workers", str(workers)], env=environment)


class Keepers:
    """Processes that look into finished cells, each cell once.

    Args:
        count: How many.
        records: Where the records go.
    """

    def __init__(self, count: int, records: Path) -> None:
        context = multiprocessing.get_context("spawn")  # accelerators do not survive a fork
        self._pool = ProcessPoolExecutor(count, context)
        self._records = records
        self._kept: dict[Path, Future[None]] = {}

    def look(self, folder: Path, cells: Sequence[Cell]) -> None:
        """Takes up the cells that have finished since the last time."""
        for directory in finished_runs(folder, cells):
            if directory.path not in self._kept:
                self._kept[directory.path] = self._pool.submit(keep, directory, self._records)

    def wait(self) -> None:
        """Waits for those that there are, whether they fail or not."""
        wait(self._kept.values())

    def finish(self) -> None:
        """Waits for all of them.

        Raises:
            Exception: Of the first that failed.
        """
        for kept in self._kept.values():
            kept.result()
        self._pool.shutdown()


def sit(
    minutes: float,
    workers: int,
    runs: Path,
    records: Path,
    grids: Sequence[str],
    keepers: int = 1,
) -> None:
    """Trains until the time is up or every cell has a record.

    Raises:
        SystemExit: If `adavit ablate` ends by itself with an exit code, which becomes that of the sitting.
    """
    ends, looking = time.monotonic() + 60 * minutes, Keepers(keepers, records)
    for name in grids:
        if time.monotonic() >= ends:
            break
        grid = read_grid(name)
        cells, known, folder = cells_of(grid), read_records(records), runs / grid.name
        for cell in cells:
            if cell.digest in known:
                bring(known[cell.digest], folder, cell)
        print(
            f"{name}: {sum(c.digest in known for c in cells)} of {len(cells)} cells have a record."
        )
        if all(cell.digest in known for cell in cells):
            continue
        training, out_of_time = train(name, folder, workers), False
        try:
            while training.poll() is None and time.monotonic() < ends:
                looking.look(folder, cells)
                time.sleep(PAUSE_S)
        finally:
            if training.poll() is None:
                out_of_time = True
                training.terminate()  # leaves checkpoints
            code = training.wait()
        looking.look(folder, cells)
        # The next grid may have the same cells: their records are to be there when it looks for them.
        looking.wait()
        if code and not out_of_time:
            looking.finish()
            print(f"{name}: adavit ablate has ended with exit code {code}.", file=sys.stderr)
            raise SystemExit(code)
    looking.finish()


def bring_all(out: Path, records: Path, grids: Sequence[str]) -> None:
    """Run directories of all records, a folder for each grid."""
    known = read_records(records)
    for name in grids:
        grid = read_grid(name)
        for cell in cells_of(grid):
            directory = CellDirectory(out / grid.name, cell)
            if cell.digest in known:
                bring(known[cell.digest], out / grid.name, cell)
            elif directory.begun():
                directory.bring_note_up_to_date()


def page_of_records(folder: Path) -> str:
    """The page of the verdicts that the records in a folder give."""
    records = read_records(folder)
    return page_of(results_of(records), cells_with_records(records))


def main() -> None:
    """Does what was asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("sit", "runs", "verdicts"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keepers", type=int, default=1)
    parser.add_argument("--runs", type=Path, default=Path("runs/few_images"), help="of a sitting")
    parser.add_argument("--records", type=Path, default=RECORDS)
    parser.add_argument("--out", type=Path, help="folder of runs, or the page of the verdicts")
    parser.add_argument("--grids", type=lambda text: text.split(","), default=list(GRIDS))
    given = parser.parse_args()
    if given.what == "sit":
        # Ends as after a Ctrl-C: `adavit ablate` leaves checkpoints, and no keeper is left behind.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("Ended."))
        sit(*(given.minutes, given.workers, given.runs, given.records, given.grids, given.keepers))
    elif given.what == "runs":
        bring_all(given.out or Path("runs/few_images"), given.records, given.grids)
    else:
        page = given.out or PAGE
        page.write_text(page_of_records(given.records), encoding="utf-8")
        print(page)


if __name__ == "__main__":
    main()
