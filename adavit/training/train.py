"""`train` and `resume`: from a configuration to a finished run directory."""

import contextlib
import datetime
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from adavit.config.layers import build_config, read_preset
from adavit.config.run import RunConfig
from adavit.config.short_names import layer_of
from adavit.errors import RunError, UserError, shown
from adavit.features.on_disk import offer
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import ending_noted, note_why
from adavit.runs.generations import LoadedCheckpoint, load_newest
from adavit.runs.lost_checkpoints import check_none_lost
from adavit.runs.reading import read_json
from adavit.runtime.console import Console, SilentConsole, console_or_here
from adavit.runtime.determinism import in_fixed_order
from adavit.runtime.device_failure import is_device_failure
from adavit.runtime.devices import choose_device
from adavit.runtime.files import write_json, write_text
from adavit.runtime.paths import takes_paths
from adavit.runtime.process_group import ProcessGroup, process_group
from adavit.training import endings
from adavit.training.compiled_trial import compiled_if_possible, is_expected_to_gain
from adavit.training.continued_budget import ContinuedBudget
from adavit.training.opening import opening
from adavit.training.start.absolute_paths import with_absolute_paths
from adavit.training.start.build import build_step, first_step, frozen_networks, read_start
from adavit.training.start.continued import (
    MAY_CHANGE_ON_RESUME,
    check_images_exist,
    check_same_images,
    choices_kept,
    continued_config,
)
from adavit.training.start.footprint import StepTooLarge
from adavit.training.start.handshake import (
    agreed_reduction,
    digest_of_state,
    with_common_slices,
)
from adavit.training.start.launched_directory import is_begun, new_directory
from adavit.training.start.run_metadata import describe_data, describe_environment
from adavit.training.start.stored_settings import check_unchanged, config_text, settings_in_file
from adavit.training.start.workload import (
    Workload,
    prepare,
    total_images,
)
from adavit.training.trainer import Trainer
from adavit.training.within_budget import check_one_length, clock_of, fit_budget


def train(
    config: RunConfig | None = None,
    *,
    preset: str | None = None,
    console: Console | None = None,
    began: float | None = None,
    **settings: Any,
) -> Path:
    """Trains from the start.

    Examples:
        >>> run = adavit.train(data="my_photos.zip", kimg=20)
        >>> run = adavit.train(data="my_photos.zip", training={"r1_gamma": 1})
        >>> run = adavit.train(adavit.RunConfig(training={"total_kimg": 20}))

    Args:
        config: What to do; None takes every default.
        preset: Name of settings that are shipped, laid over these.
        console: Told how it goes. None shows a progress bar on a terminal or in a notebook, and says
            nothing elsewhere; `LineConsole()` of `adavit.runtime.console` prints lines.
        began: `time.monotonic` when the clock of `run.budget` began; None is now.
        settings: Laid over both: the flags of `adavit train` by their names, such as kimg=20 or
            freeze_d=2, or whole sections, such as training={"r1_gamma": 1}.

    Returns:
        The run directory.

    Raises:
        UserError: If the user can mend it; nothing has been trained then.
        RunError: If training failed; the last checkpoint is good.
        Stopped: After SIGINT or SIGTERM, with a checkpoint written if it had begun.
    """
    began = time.monotonic() if began is None else began
    asked = _asked_for(config, preset, settings)
    check_one_length(asked)
    with (
        process_group() as group,
        _console(console, group) as told,
        in_fixed_order(asked.training.deterministic),
    ):
        return _train(asked, told, group, began)


def _console(
    console: Console | None, group: ProcessGroup
) -> contextlib.AbstractContextManager[Console]:
    """Where this process tells how it goes; None is what `adavit.runtime.console.console_here` finds."""
    if not group.leads:
        return contextlib.nullcontext(SilentConsole())
    return console_or_here(console)


def _claimed(
    directory: RunDirectory, group: ProcessGroup
) -> contextlib.AbstractContextManager[object]:
    """While entered, no other run trains there; the process that writes sees to it."""
    return directory.claimed() if group.leads else contextlib.nullcontext()


def _asked_for(
    config: RunConfig | None, preset: str | None, settings: Mapping[str, Any]
) -> RunConfig:
    if config is not None and not isinstance(config, RunConfig):
        raise UserError(
            f"config is {shown(config)}, expected an adavit.RunConfig. Name settings instead, for example"
            " adavit.train(data='my_photos.zip', kimg=20)."
        )
    layers: list[Mapping[str, Any]] = [] if config is None else [config.as_dict()]
    layers += [] if preset is None else [read_preset(preset)]
    return build_config([*layers, layer_of(settings)])


def _train(config: RunConfig, console: Console, group: ProcessGroup, began: float) -> Path:
    if group.world.tell(is_begun(config.run.out, group.place)):
        assert config.run.out is not None
        return _resume_claimed(RunDirectory.open(config.run.out), [], console, group, began)
    if group.leads:
        RunDirectory.check_free(config.run.out)
    group.take_device(choose_device(config.run.device))
    # What it may lack is said before data are loaded.
    start = group.in_turn(lambda: read_start(config))
    placed, size = with_absolute_paths(config), group.world.size
    workload = group.in_turn(partial(start.prepare, placed, console, processes=size))
    has_choice = placed.run.memory is not None
    workload = with_common_slices(workload, group, console, chosen=has_choice)
    reduction = agreed_reduction(workload, group)
    fitted, asked = None, start.noted_in(placed)
    if asked.run.budget is not None:
        fitted = fit_budget(asked, workload, start, reduction, began, console)
        workload = fitted.workload
    elif is_expected_to_gain(asked, workload, size):
        workload = compiled_if_possible(workload, start, reduction, console)
    step, notes = first_step(workload, start, reduction)  # likewise, before a directory is made
    del start  # the networks have what it read: hundreds of megabytes
    directory = new_directory(workload, group)
    with _claimed(directory, group):
        plan = None if fitted is None else fitted.plan
        first_lines = opening(
            config, workload, step, directory, None if plan is None else plan.told
        )
        images = workload.image_set
        offered = offer(images.channels, images.source) if config.features.network is None else None
        _write_settings(workload, directory, group)
        for note in (first_lines, *notes, *([offered] if offered else [])):
            console.note(note)
        clock = clock_of(fitted, workload, directory if group.leads else None, began)
        trainer = Trainer(workload, step, directory, console, clock)
        if plan is not None and not plan.at_start:
            trainer.progress.done("metrics")
        return _run(trainer, group)


@takes_paths("path")
def resume(
    path: Path | str,
    layers: Sequence[Mapping[str, Any]] = (),
    *,
    console: Console | None = None,
    began: float | None = None,
    **settings: Any,
) -> Path:
    """Continues a run from its checkpoint, as if it had never stopped.

    On a CPU its weights are the same to the bit, and on CUDA with `training.deterministic`. Without it the random
    draws are, but gradients of `grid_sample` and of gathers, fused attention and cuDNN add in no fixed order there:
    weights differ as those of one run made twice.

    Examples:
        >>> adavit.resume("runs/00000-small_set-resnet-bgc", kimg=200)

    Args:
        path: The run directory.
        layers: Settings given again or anew, by section; only length, device and cadence may differ.
        console: As for `train`.
        began: As for `train`.
        settings: As for `train`, laid over the layers.

    Returns:
        The run directory.

    Raises:
        UserError: If there is no run, its checkpoint is gone, a setting differs that must not, the length asked for
            is below what was seen, the data changed, or another process trains in it.
        RunError: If training failed; the last checkpoint is good.
        Stopped: After SIGINT or SIGTERM, with a checkpoint written.
    """
    if not isinstance(layers, list | tuple) or not all(isinstance(e, Mapping) for e in layers):
        raise UserError(
            f"layers is {shown(layers)}, expected a list of mappings of sections. Name settings instead, for example"
            " adavit.resume(run, kimg=200)."
        )
    with process_group() as group, _console(console, group) as told:
        directory = RunDirectory.open(Path(path))
        began = time.monotonic() if began is None else began
        return _resume_claimed(directory, [*layers, layer_of(settings)], told, group, began)


def _resume_claimed(
    directory: RunDirectory,
    layers: Sequence[Mapping[str, Any]],
    console: Console,
    group: ProcessGroup,
    began: float,
) -> Path:
    with _claimed(directory, group):
        group.world.wait()  # nobody reads in it before it is claimed
        return _resume(directory, layers, console, group, began)


def _resume(
    directory: RunDirectory,
    layers: Sequence[Mapping[str, Any]],
    console: Console,
    group: ProcessGroup,
    began: float,
) -> Path:
    newest = load_newest(directory.checkpoint)
    if newest is None:
        check_none_lost(directory)
    else:
        if newest.warning:
            console.note(f"Warning: {newest.warning}")
        if settings_in_file(directory) is None:
            console.note(
                f"Warning: {directory.config} is lost or damaged; it is written again from"
                f" {newest.path.name}, which holds the settings too."
            )
        check_unchanged(directory, newest.state, may_change=MAY_CHANGE_ON_RESUME)
    budget = ContinuedBudget.of(layers, directory, group.place)
    config = continued_config(directory, budget.layers)
    for note in choices_kept(directory, budget.layers):
        console.note(note)
    images = 0 if newest is None else newest.images
    if budget.is_used_up(config, directory, images, console, group.world):
        return directory.path
    check_images_exist(directory, config)
    with in_fixed_order(config.training.deterministic):
        return _go_on(directory, config, newest, budget, console, group, began)


def _go_on(
    directory: RunDirectory,
    config: RunConfig,
    newest: LoadedCheckpoint | None,
    budget: ContinuedBudget,
    console: Console,
    group: ProcessGroup,
    began: float,
) -> Path:
    group.take_device(choose_device(config.run.device))
    start = group.in_turn(lambda: read_start(config) if newest is None else frozen_networks(config))
    try:
        workload = group.in_turn(lambda: prepare(config, console))
    except StepTooLarge as error:
        raise RunError(
            f"{error.what} Give a smaller --microbatch, close other programs, or take a device or a machine with"
            " more memory (--device)."
        ) from None
    if newest is not None:
        check_same_images(workload, newest.state)  # before the clock begins
    reduction = agreed_reduction(workload, group)
    clock = budget.clock(workload, start, reduction, directory, began)
    if newest is not None:
        step = build_step(workload, start, reduction)
        trainer = Trainer(workload, step, directory, console, clock)
        group.world.wait()  # all have read what rank 0 now brings back to one moment
        trainer.resume(newest)
        newest.state.clear()  # the parts have it now: hundreds of megabytes
    else:  # killed before the first one
        console.note(f"Warning: run {directory.path} has no checkpoint; it begins again at 0.")
        step, notes = first_step(workload, start, reduction)
        for note in notes:
            console.note(note)
        trainer = Trainer(workload, step, directory, console, clock)
        group.world.wait()
        trainer.begin_again()
    del start  # as in `_train`
    _write_settings(workload, directory, group)
    if trainer.progress.images >= total_images(workload.config.training):
        console.result(
            f"Run {directory.path} is finished: {trainer.progress.images / 1000:g} of"
            f" {workload.config.training.total_kimg:g} kimg. Give a larger --kimg to train on."
        )
    else:
        console.note(f"Continuing {directory.path} at {trainer.progress.images / 1000:g} kimg.")
    return _run(trainer, group)


def _write_settings(workload: Workload, directory: RunDirectory, group: ProcessGroup) -> None:
    """What the run is of, with the launch by which processes that are started anew find it again."""
    if not group.leads:
        return
    # When it began, whatever has interrupted it.
    started = read_json(directory.environment).get("started") or _now()
    environment = describe_environment(workload.device)
    written = {"started": started, **environment, **group.place.described()}
    write_json(directory.environment, written)
    write_json(directory.data, describe_data(workload))
    write_text(directory.config, config_text(workload.config))


def _run(trainer: Trainer, group: ProcessGroup) -> Path:
    directory = trainer.directory
    if group.world.size > 1:
        group.agree({"networks (digest)": digest_of_state(trainer.stateful_parts())})
        group.can_go_on(
            f"The last checkpoint is good; go on with: {directory.resume_command}",
            note=partial(note_why, directory) if group.leads else None,
        )
    with ending_noted(directory) if group.leads else contextlib.nullcontext():
        try:
            trainer.output.begin()
            trainer.run()
        except BaseException as error:  # whatever ends it, a signal too
            # What has ended it is told, and not that there is no room for this.
            with contextlib.suppress(OSError):
                trainer.clock.keep()
            if is_device_failure(error):
                raise endings.without_device(error, trainer.progress, directory) from error
            raise
        trainer.clock.keep()
    return directory.path


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
