"""`ablate`: trains every cell of a grid once, however many workers share it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adavit.config.layers import Values
from adavit.errors import RunError
from adavit.experiments.cell import Cell, cells_of
from adavit.experiments.cell_directory import CellDirectory
from adavit.experiments.experiment_file import FILES, check_folder
from adavit.experiments.grid_file import read_grid
from adavit.experiments.queue import Claim, Queue
from adavit.experiments.tables import describe_cells, summary_table
from adavit.experiments.worker_pool import WorkerPool
from adavit.runs.records import best_record, read_records, recorded_metric
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.paths import takes_paths
from adavit.runtime.wording import counted

DEFAULT_PARENT = Path("runs/ablations")


@dataclass(frozen=True)
class AblationPlan:
    """The cells of a grid as jobs.

    Attributes:
        name: Of the grid.
        cells: By digest, which is the name of the job too.
    """

    name: str
    cells: dict[str, Cell]

    @property
    def jobs(self) -> Sequence[str]:
        """Digests in the order of the grid."""
        return list(self.cells)

    def cell(self, queue: Queue, claim: Claim) -> Cell:
        """The cell of that digest."""
        return self.cells[claim.job]

    def watch(self, queue: Queue, claim: Claim, directory: CellDirectory) -> Callable[[], None]:
        """Nothing is to be watched: each cell runs to its end."""
        return lambda: None

    def figure(self, queue: Queue, directory: CellDirectory) -> float | None:
        """The best figure of the first metric."""
        return best_figure(directory)


def best_figure(directory: CellDirectory, metric: str | None = None) -> float | None:
    """The lowest figure of a metric over a run; None if it was not measured.

    Args:
        directory: Of the run.
        metric: As in `metrics.names`; None is the first of them.
    """
    names = directory.cell.settings["metrics"]["names"]
    wanted = metric or (names[0] if names else "")
    records = read_records(directory.run.metrics)
    recorded = recorded_metric(records, wanted)
    best = best_record(records, recorded)
    return None if best is None else float(best[recorded or ""])


@takes_paths("source", "out")
def ablate(
    source: str,
    *,
    out: Path | None = None,
    layers: Sequence[Values] = (),
    seeds: Sequence[int] | None = None,
    storage: str | None = None,
    workers: int | None = None,
    devices: Sequence[str] = (),
    processes: int | None = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    console: Console | None = None,
) -> str:
    """Trains every cell of a grid; a grid that was interrupted goes on where it was.

    Args:
        source: A YAML file, or the name of a shipped grid; a path wins over a name.
        out: Where the cells' run directories go. None: runs/ablations/NAME.
        layers: Settings laid over those that all cells share, weakest first.
        seeds: Run each cell with each of these seeds. None: as the grid says.
        storage: URL of the queue's database. None: a file in `out`.
        workers: Cells at a time. None: one per device, or group of devices.
        devices: Where they run, in turn. Empty: chosen by each run.
        processes: That train a cell together, each on a device of its own where they are GPUs. None: one.
        retry_failed: Take up again what has failed before.
        dry_run: Train nothing; describe the cells.
        console: Told how it goes.

    Returns:
        The cells and the time to expect, or a table of the results.

    Raises:
        UserError: If the user can mend it.
        RunError: If cells have failed; the others are finished.
        Stopped: After SIGINT or SIGTERM.
    """
    console = console or SilentConsole()
    grid = read_grid(source)
    folder = out or DEFAULT_PARENT / grid.name
    pool = WorkerPool.asked_for(
        folder, storage=storage, workers=workers, devices=devices, processes=processes
    )
    grid = grid.with_overrides([*layers, *pool.settings], seeds)
    check_folder(folder, "grid", grid.name)
    pool.check_devices()  # before the images are looked at with the settings of each cell
    cells = cells_of(grid, console)
    pool.check_shares(cells)
    if dry_run:
        return describe_cells(grid, cells, folder, workers=pool.workers, processes=pool.processes)
    for cell in cells:
        CellDirectory(folder, cell).bring_note_up_to_date()
    plan = AblationPlan(grid.name, {cell.digest: cell for cell in cells})
    _, outcomes = pool.carry_out(
        plan,
        file=FILES["grid"],
        text=grid.as_yaml(),
        opening=f"Grid {grid.name}: {counted(len(cells), 'cell', 'cells')} in {folder}.",
        noun="cells",
        retry_failed=retry_failed,
        console=console,
    )
    table = summary_table(folder, cells, outcomes)
    failed = [cell for cell in cells if outcomes[cell.digest].state == "failed"]
    if failed:
        reasons = [f"{cell.title}: {outcomes[cell.digest].reason}" for cell in failed]
        console.note(table)
        raise RunError(
            "\n".join(
                [
                    *reasons,
                    (
                        f"{len(failed)} of {len(cells)} cells have failed, expected none. Fix what"
                        " the lines above say, then run the same command with --retry-failed."
                    ),
                ]
            )
        )
    return table
