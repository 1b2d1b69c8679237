"""How a run ends, or goes wrong, in words: what happened, and which checkpoint is good."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adavit.config.run import ResolvedConfig
from adavit.errors import RunError
from adavit.runs.directory import RunDirectory
from adavit.runs.records import is_untrained
from adavit.runtime.device_failure import DeviceFailed, failed_device
from adavit.runtime.paths import quoted
from adavit.runtime.signals import Stopped
from adavit.training.progress import NEVER, Progress


def why_over(
    progress: Progress,
    total_images: int,
    patience_kimg: float | None,
    out_of_time: str | None = None,
) -> str | None:
    """Why a run is over, in a clause; None where it is not.

    Args:
        progress: How far it came.
        total_images: Real images at its end.
        patience_kimg: It ends too where the first metric has not improved for so many thousands; None for never.
        out_of_time: A clause about the time that is used up; None while there is some.
    """
    images, best = progress.images, progress.best
    figure = "" if best is None else f"; {best_words(best)}"
    if images >= total_images:
        return f"Finished at {images / 1000:g} kimg{figure}"
    if out_of_time is not None:
        return (
            f"Stopped at {images / 1000:g} of {total_images / 1000:g} kimg, {out_of_time}{figure}"
        )
    if patience_kimg is not None and best is not None:
        without = (images - best["images"]) / 1000
        if without >= patience_kimg and progress.done_at["metrics"] == images:
            return f"Stopped early after {without:g} kimg without improvement{figure}"
    return None


def last_words(ending: str, used: str, directory: RunDirectory) -> str:
    """The last lines of a run that is over: where everything is, and what draws from it.

    Args:
        ending: Why it is over, in a clause.
        used: What it used of its time, in a clause; empty where none was set.
        directory: Of the run.
    """
    over = f"{ending}{used}. Everything is in {directory.path}."
    if directory.is_cell:  # looked at beside the others, in a report
        return over
    quoted_path = quoted(str(directory.path))
    return (
        f"{over}\nDraw from it: adavit generate {quoted_path} --seeds 0-63 --grid --out drawn, or by sliders:"
        f" adavit studio {quoted_path} --open"
    )


def stopped(
    signal_number: int, progress: Progress, directory: RunDirectory, *, is_behind: bool
) -> Stopped:
    """What a signal ends a run with.

    Args:
        signal_number: Of the signal.
        progress: How far it came.
        directory: Of the run.
        is_behind: Whether the checkpoint is of an earlier step: steps are being skipped.
    """
    command, skipped = directory.resume_command, progress.skipped_in_a_row
    if not is_behind:
        return Stopped(signal_number, go_on=command)
    last = "the last step was" if skipped == 1 else f"the last {skipped} steps were"
    left = (
        f"{last} skipped, as numbers were not finite, so the checkpoint is still that of"
        f" {_kimg(progress.done_at['checkpoint'])}"
    )
    return Stopped(signal_number, go_on=command, left=left)


def steadier_settings(config: ResolvedConfig) -> str:
    """What keeps a new run from diverging like this one, as far as its other settings allow it, to follow "with".

    Args:
        config: Of the run that has diverged.
    """
    training, rates = config.training, "smaller learning rates"
    if config.discriminator.kind == "projected" and training.penalty == "exact":
        return rates
    penalty = "gradient_penalty" if training.gradient_penalty else "r1_gamma"
    return f"a larger training.{penalty} or {rates}"


def diverged(what: str, progress: Progress, sound: Path | None, config: ResolvedConfig) -> RunError:
    """The end of a training that has diverged.

    Args:
        what: A clause about what is wrong.
        progress: How far it came.
        sound: The checkpoint that was kept when the figure collapsed; None where it has not.
        config: Of the run.
    """
    if sound is not None:
        good = f"{sound} is good; start"
    elif progress.done_at["checkpoint"] != NEVER:
        good = f"The checkpoint of {_kimg(progress.done_at['checkpoint'])} is good; start"
    else:  # in a rehearsal
        good = "Start"
    return RunError(
        f"training diverged: {what}, at {progress.images / 1000:.1f} kimg. {good} a new run with"
        f" {steadier_settings(config)}."
    )


def without_device(
    error: BaseException, progress: Progress, directory: RunDirectory
) -> DeviceFailed:
    """The end of a run whose device failed, or is gone.

    Args:
        error: Of the device.
        progress: How far the run came.
        directory: Of the run.
    """
    at = progress.done_at["checkpoint"]
    good = "" if at == NEVER else f" {directory.checkpoint}, of {_kimg(at)}, is good."
    go_on = f" Where it fails again, take another one (--device). Go on with: {directory.resume_command}"
    # A cell goes on with its experiment.
    return DeviceFailed(f"{failed_device(error)}{good}{'' if directory.is_cell else go_on}")


def collapse_warning(
    progress: Progress, directory: RunDirectory, sound: Path | None, config: ResolvedConfig
) -> str:
    """The line for the evaluation that finds the figure collapsed.

    Args:
        progress: Right after that evaluation.
        directory: Of the run.
        sound: The last checkpoint that was written at an evaluation before; None if there is none.
        config: Of the run.
    """
    latest, best, first = progress.latest, progress.best, progress.first
    assert latest is not None
    assert best is not None
    assert first is not None
    name = latest["name"]
    kept = "" if sound is None else f"the last sound checkpoint as {sound}, "
    return (
        f"Warning: {name} has collapsed: {latest[name]:.4g} at {_kimg(latest['images'])}; the best is"
        f" {best[name]:.4g}, of {_kimg(best['images'])}, and the first was {first[name]:.4g}. Kept"
        f" are {kept}the best generator as {directory.best_generator}. Start a new run with"
        f" {steadier_settings(config)}"
        + ("." if sound is None else f"; --transfer {quoted(str(sound))} starts from there.")
    )


def figure_words(record: Mapping[str, Any]) -> str:
    """The figure of an evaluation with its name, such as "fid 12.3"."""
    return f"{record['name']} {record[record['name']]:.4g}"


def best_words(best: Mapping[str, Any]) -> str:
    """The best evaluation of a run, which may be of the networks as they were initialised."""
    untrained = " (the untrained network)" if is_untrained(best) else ""
    return f"best {figure_words(best)} at {_kimg(best['images'])}{untrained}"


def _kimg(images: int) -> str:
    return f"{images / 1000:g} kimg"
