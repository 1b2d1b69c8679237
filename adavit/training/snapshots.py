"""What a run leaves on the disk to go on from and to be used: checkpoints and generators, and logs that agree."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adavit.errors import UserError
from adavit.models import Generator
from adavit.runs.checkpoint import DoesNotFit, Stateful, restore, state_of
from adavit.runs.directory import RunDirectory
from adavit.runs.generations import LoadedCheckpoint, make_newest, save_newest
from adavit.runs.generator_file import save_generator
from adavit.runtime.files import give_second_name, remove_file
from adavit.training.best_generator import BestGenerator
from adavit.training.progress import Progress
from adavit.training.start.workload import Workload, check_total


class Snapshots:
    """Writes them, and brings them back to one moment when a run goes on.

    Args:
        workload: Settings and data.
        directory: Where they lie.
        average: The generator that is sampled and measured.
        progress: How far the run has come; read whenever something is written.
    """

    def __init__(
        self, workload: Workload, directory: RunDirectory, average: Generator, progress: Progress
    ) -> None:
        self._workload = workload
        self._directory = directory
        self._average = average
        self._progress = progress
        self._saved: dict[str, Any] = {}
        self._best = BestGenerator(average) if workload.evaluators else None

    def now_of(self, workload: Workload) -> None:
        """What is written from now on holds the settings of this one, for the same data."""
        self._workload = workload

    @property
    def are_behind(self) -> bool:
        """Whether anything has happened since the checkpoint."""
        return self._saved != self._progress.state_dict()

    def stateful_parts(self) -> dict[str, Stateful]:
        """What a checkpoint must hold of it."""
        return {} if self._best is None else {"best_generator": self._best}

    def save(self, parts: Mapping[str, Stateful]) -> None:
        """Writes the checkpoint and the generator of this moment.

        Args:
            parts: All that decides the rest of the run.
        """
        config = self._workload.config
        self._save_last()
        is_sound = not self._workload.evaluators or self._progress.is_sane_now
        if not is_sound:
            self.keep_sound()
        state = {
            "config": config.as_dict(),
            "fingerprint": self._workload.image_set.fingerprint,
            "reference_fingerprint": self._workload.reference_fingerprint,
            **state_of(parts),
        }
        save_newest(self._directory.checkpoint, state, keep=config.run.keep_checkpoints)
        if is_sound:
            remove_file(self._directory.sound_checkpoint)
        self._saved = self._progress.state_dict()

    @property
    def is_one_to_keep(self) -> bool:
        """Whether the last step has passed a multiple of `run.keep_every_kimg`.

        It is a function of the images seen alone, so that a run that goes on from anywhere keeps the same ones.
        """
        kimg = self._workload.config.run.keep_every_kimg
        if kimg is None:
            return False
        images, batch = self._progress.images, self._workload.config.training.batch
        return images // (1000 * kimg) > max(0, images - batch) // (1000 * kimg)

    def keep_generator(self) -> None:
        """Writes the generator of this moment under a name that nothing replaces."""
        kimg, images = self._workload.config.run.keep_every_kimg, self._progress.images
        assert kimg is not None
        path = self._directory.kept_generator(images, decimals=not float(kimg).is_integer())
        self._save_generator(path, self._average, images, self._measured_now)

    def keep_sound(self) -> None:
        """Sets the checkpoint aside that was written at the last evaluation whose figure had not collapsed.

        Nothing happens where it was set aside before: it costs the disk no more than one checkpoint.
        """
        if self._saved and self._saved["images"] == self._progress.sane_at:
            give_second_name(self._directory.checkpoint, self._directory.sound_checkpoint)

    @property
    def set_aside(self) -> Path | None:
        """Where the last sound checkpoint is, if the newest is not that one."""
        path = self._directory.sound_checkpoint
        return path if path.is_file() else None

    def keep_best(self) -> None:
        """Keeps the generator of the evaluation that was noted last, which is the best so far."""
        assert self._best is not None
        self._best.take(self._average)
        self._save_best()

    def restore(self, loaded: LoadedCheckpoint, parts: Mapping[str, Stateful]) -> list[str]:
        """Goes back to a checkpoint: the parts, the logs and both generators.

        Args:
            loaded: The checkpoint.
            parts: All that decides the rest of the run; `Progress` among them.

        Returns:
            What was found damaged in the logs, for a person.

        Raises:
            UserError: If it is of other networks or other data, or past the length asked for; nothing
                on the disk is changed then.
        """
        self._take_over(loaded, parts)
        notes = self.forget_after()
        make_newest(self._directory.checkpoint, loaded.path)
        self._save_last()
        if self._progress.best is not None:
            self._save_best()
        if self._progress.is_sane_now:
            remove_file(self._directory.sound_checkpoint)
        return notes

    def _take_over(self, loaded: LoadedCheckpoint, parts: Mapping[str, Stateful]) -> None:
        workload, path = self._workload, str(loaded.path)
        try:
            restore(parts, loaded.state)
        except DoesNotFit as error:
            raise UserError(
                f"checkpoint {path!r} does not fit this configuration"
                f" ({error}), expected the networks of config.yaml beside it."
                " Restore that file, or start a new run."
            ) from None
        check_total(workload.config.training, self._progress.images)
        self._saved = self._progress.state_dict()

    def forget_after(self) -> list[str]:
        """Cuts the logs back to what the progress knows of, and drops generators and a sound checkpoint beyond it.

        A checkpoint may be older than the evaluation after the same step, which then comes once more.

        Returns:
            What was found damaged in the logs, for a person.
        """
        images, done_at = self._progress.images, self._progress.done_at
        logs = {
            self._directory.stats: done_at["stats"],
            self._directory.metrics: done_at["metrics"],
        }
        notes = [note for log, at in logs.items() if (note := self._directory.cut_back(log, at))]
        if self._progress.best is None:
            remove_file(self._directory.best_generator)
            remove_file(self._directory.sound_checkpoint)
        for kimg, path in self._directory.kept_generators().items():
            if round(1000 * kimg) > images:  # 1000 * 32.112 is above 32112
                remove_file(path)
        return notes

    @property
    def _measured_now(self) -> dict[str, Any] | None:
        """The evaluation of this moment, if there was one."""
        latest = self._progress.latest
        return latest if latest is not None and latest["images"] == self._progress.images else None

    def _save_last(self) -> None:
        path, images = self._directory.last_generator, self._progress.images
        self._save_generator(path, self._average, images, self._measured_now)

    def _save_best(self) -> None:
        best = self._progress.best
        assert self._best is not None
        assert best is not None
        path = self._directory.best_generator
        self._save_generator(path, self._best.module, best["images"], best)

    def _save_generator(
        self, path: Path, generator: Generator, images: int, metric: Mapping[str, Any] | None
    ) -> None:
        workload = self._workload
        save_generator(
            path,
            generator,
            arguments=workload.architecture(),
            config=workload.config.as_dict(),
            data_fingerprint=workload.image_set.fingerprint,
            images=images,
            # Without its time, the same weights are the same file to the byte.
            metric={key: value for key, value in (metric or {}).items() if key != "seconds"},
            classes=workload.image_set.classes if workload.num_classes else (),
            label_counts=workload.label_counts,
            stretch=workload.image_set.stretch,
        )


class UnwrittenSnapshots(Snapshots):
    """Those of a process beside the one that writes: it remembers what they would hold, and so decides alike."""

    def save(self, parts: Mapping[str, Stateful]) -> None:
        """Notes that there is one of this moment."""
        self._saved = self._progress.state_dict()

    def keep_generator(self) -> None:
        """Nothing."""

    def keep_sound(self) -> None:
        """Nothing."""

    @property
    def set_aside(self) -> Path | None:
        """None."""
        return None

    def keep_best(self) -> None:
        """Keeps the weights in memory."""
        assert self._best is not None
        self._best.take(self._average)

    def restore(self, loaded: LoadedCheckpoint, parts: Mapping[str, Stateful]) -> list[str]:
        """As `Snapshots.restore`, the parts alone."""
        self._take_over(loaded, parts)
        return []

    def forget_after(self) -> list[str]:
        """Nothing."""
        return []
