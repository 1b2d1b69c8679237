"""The directory of a cell: an ordinary run directory, with a note of what it is part of."""

from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.experiments.cell import STARTS, Cell
from adavit.experiments.liveness import WorkerIdentity
from adavit.runs.checkpoint import UnusableCheckpoint
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import is_pruned
from adavit.runs.generations import LoadedCheckpoint, load_newest
from adavit.runs.lost_checkpoints import has_trained
from adavit.runs.reading import read_json
from adavit.runs.records import figures, is_untrained, read_records
from adavit.runtime.files import make_folder, put_in_place, write_json
from adavit.training.start.continued import continued_config
from adavit.training.start.workload import total_images


class CellDirectory:
    """Where a cell's run lies, whether it is finished, and `cell.json`.

    Args:
        folder: Of the experiment.
        cell: The cell.
    """

    def __init__(self, folder: Path, cell: Cell) -> None:
        self.cell = cell
        self.path = folder / cell.digest
        self.run = RunDirectory(self.path)
        self.log = self.run.worker_log

    def make(self) -> None:
        """Makes the directory; its log can be written then.

        Raises:
            UserError: If it cannot be made.
        """
        make_folder(self.path)

    def begun(self) -> bool:
        """Whether there is a run to continue."""
        return self.run.is_run()

    def checkpoint_images(self) -> int | None:
        """Images seen at the newest sound checkpoint, or None without one."""
        newest = self._newest()
        return None if newest is None else newest.images

    def put_damaged_checkpoints_aside(self) -> str | None:
        """Makes way for another beginning where there is nothing to go on from.

        Returns:
            What is wrong with the newest checkpoint; None if one of them is sound, or none is there.

        Raises:
            UserError: If one cannot be read, which says nothing about what is in it.
            RunTaken: If another process trains here.
        """
        try:
            load_newest(self.run.checkpoint)
        except UnusableCheckpoint as error:
            with self.run.claimed():
                for path in self.run.checkpoints():
                    put_in_place(path, self.run.damaged(path))
            return str(error)
        return None

    def put_results_aside(self) -> bool:
        """Makes way likewise where the checkpoints are gone: a run that has trained does not begin again by itself.

        Returns:
            Whether there was something; it lies in `RunDirectory.earlier` now.

        Raises:
            RunTaken: If another process trains here.
        """
        run = self.run
        if not is_pruned(run) and not has_trained(run):
            return False
        with run.claimed():
            make_folder(run.earlier)
            looked = run.diagnostics
            found = (looked.memorisation, looked.closest_pairs, looked.leaks, looked.leak_rates)
            logs = (run.evaluations, run.stats, run.metrics, run.ending)
            generators = (run.best_generator, run.last_generator, *run.kept_generators().values())
            # By the generators a kill before the last of them leaves a run that has trained.
            for path in (*found, *logs, run.sound_checkpoint, *generators):
                if path.is_file():
                    put_in_place(path, run.earlier / path.name)
        return True

    def is_finished(self) -> bool:
        """Whether the run in the directory is this cell's, and has come to its end.

        One whose weights are gone counts too: its figures are what an experiment wants of it.

        Raises:
            UserError: If it is another run, naming what differs.
        """
        if not self.begun():
            return False
        config = continued_config(RunDirectory.open(self.path), [self.layer()])
        self._check_images()
        images = self.checkpoint_images()
        if images is None:
            return self.has_figures_alone()
        return images >= total_images(config.training)

    def has_ended(self) -> bool:
        """Whether nothing of the cell is left to do: it was finished, if early, or pruned, and nothing is damaged."""
        if not self._is_noted("finished", "pruned"):
            return False
        if not self._has_checkpoints():
            return True  # its figures are left
        newest = self._newest()
        return newest is not None and not newest.warning

    def has_figures_alone(self) -> bool:
        """Whether its note says that the cell was finished, and its checkpoints were removed since."""
        return self._is_noted("finished") and not self._has_checkpoints()

    def layer(self) -> dict[str, Any]:
        """The cell's settings, to be laid over those of a run that is continued.

        Weights to start from may have moved since it was begun: they are the same, by the cell's digest.
        """
        settings = {section: dict(values) for section, values in self.cell.settings.items()}
        settings["run"].pop("out")
        for name in STARTS:
            settings["training"].pop(name)
        return settings

    def write_note(
        self,
        status: str,
        *,
        attempts: int,
        reason: str | None = None,
        worker_note: str | None = None,
    ) -> None:
        """Writes `cell.json`.

        Args:
            status: "running", "finished", "pruned" or "failed".
            attempts: How often a worker has taken the cell.
            reason: Why it failed or was pruned.
            worker_note: How this worker came to it, if not in the ordinary way.
        """
        worker = WorkerIdentity.own()
        values = {
            **self._place(),
            "status": status,
            "reason": reason,
            "attempts": attempts,
            "host": worker.host,
            "pid": worker.pid,
            "worker_note": worker_note or self.note().get("worker_note"),
        }
        write_json(self.run.cell_note, values)

    def bring_note_up_to_date(self) -> None:
        """Writes into `cell.json` what the grid says of the cell now: it may have been edited since.

        Of a cell that is noted as running it is left to its worker, which writes its own.
        """
        note = self.note()
        updated = note | self._place()
        if self._is_noted("finished", "pruned", "failed") and updated != note:
            write_json(self.run.cell_note, updated)

    def note(self) -> dict[str, Any]:
        """What `cell.json` says; empty if it is not there or damaged."""
        return read_json(self.run.cell_note)

    def figures(self, metric: str | None) -> list[tuple[int, float]]:
        """A metric of what was trained, over the run as (images seen, figure), where it was finite."""
        found = [
            (record["images"], figures(record).get(metric or ""))
            for record in read_records(self.run.metrics)
            if not is_untrained(record)
        ]
        return [(images, figure) for images, figure in found if figure is not None]

    def _place(self) -> dict[str, Any]:
        """What `cell.json` says that follows from the experiment."""
        cell = self.cell
        return {
            "grid": cell.experiment,
            "cell": cell.digest,
            "axes": cell.axes,
            "label": cell.label,
            "baseline": cell.baseline,
            "compared_with": cell.compared_with,
            "weights": cell.weights,
            "settings": cell.varied,
        }

    def _is_noted(self, *statuses: str) -> bool:
        """Whether the note is of this cell, and says one of these."""
        note = self.note()
        return note.get("cell") == self.cell.digest and note.get("status") in statuses

    def _has_checkpoints(self) -> bool:
        return bool(self.run.checkpoints() or self.run.damaged_checkpoints())

    def _newest(self) -> LoadedCheckpoint | None:
        """The newest sound checkpoint; None without one."""
        try:
            return load_newest(self.run.checkpoint)
        except UserError:
            return None

    def _check_images(self) -> None:
        found = read_json(self.run.data).get("fingerprint")
        if found is None:
            return  # not begun to train; a checkpoint has the fingerprint itself
        if found != self.cell.fingerprint:
            raise UserError(
                f"the run in {str(self.path)!r} was trained on other images (fingerprint"
                f" {str(found)[:12]}, expected {self.cell.fingerprint[:12]}). Move it elsewhere."
            )
