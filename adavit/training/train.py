"""`train` and `resume`: from a configuration to a finished run directory."""

import contextlib
import datetime
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from adavit.config.layers import build_config, flatten, merge, read_preset, without_auto
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.config.short_names import layer_of
from adavit.config.summary import summarise_settings
from adavit.data.known_names import NAMES
from adavit.errors import RunError, UserError, shown
from adavit.features.on_disk import offer
from adavit.runs.directory import RunDirectory
from adavit.runs.ending_note import check_not_pruned, ending_noted
from adavit.runs.generations import LoadedCheckpoint, load_newest
from adavit.runs.reading import read_json
from adavit.runtime.company import Company, company_here
from adavit.runtime.console import Console, SilentConsole, console_or_here
from adavit.runtime.determinism import in_fixed_order
from adavit.runtime.devices import choose_device
from adavit.runtime.files import write_json, write_text
from adavit.runtime.paths import takes_paths
from adavit.training.start.absolute_paths import with_absolute_paths
from adavit.training.start.build import build_step, first_step, frozen_networks, read_start
from adavit.training.start.footprint import StepTooLarge
from adavit.training.start.handshake import agreed_reduction, digest_of_state
from adavit.training.start.launched_directory import is_begun, new_directory
from adavit.training.start.stored_settings import (
    changed_settings,
    check_unchanged,
    settings_in_file,
    stored_settings,
)
from adavit.training.start.workload import (
    describe_data,
    describe_environment,
    prepare,
    total_images,
)
from adavit.training.trainer import Trainer

MAY_CHANGE_ON_RESUME = {
    # length, device, cadence; and where things lie, since their content is checked
    "training.total_kimg",
    "training.deterministic",
    "training.fast_reduce",
    "metrics.patience_kimg",
    "metrics.every_kimg",
    "metrics.inception_weights",
    "run.device",
    "run.out",
    "run.status_every_kimg",
    "run.samples_every_kimg",
    "run.checkpoint_every_kimg",
    "run.keep_checkpoints",
    "run.keep_every_kimg",
    "data.source",
    "data.data_root",
    "data.follow_links",
    "features.network",
}


def train(
    config: RunConfig | None = None,
    *,
    preset: str | None = None,
    console: Console | None = None,
    **settings: Any,
) -> Path:
    """Trains from the start.

    Example:
        >>> run = adavit.train(data="my_photos.zip", kimg=20)
        >>> run = adavit.train(data="my_photos.zip", training={"r1_gamma": 1})
        >>> run = adavit.train(adavit.RunConfig(training={"total_kimg": 20}))

    Args:
        config: What to do; None takes every default.
        preset: Name of settings that are shipped, laid over these.
        console: Told how it goes. None shows a progress bar on a terminal or in a notebook, and says
            nothing elsewhere; `adavit.runtime.console.LineConsole()` prints lines.
        settings: Laid over both: the flags of `adavit train` by their names, such as kimg=20 or
            freeze_d=2, or whole sections, such as training={"r1_gamma": 1}.

    Returns:
        The run directory.

    Raises:
        UserError: If the user can mend it; nothing has been trained then.
        RunError: If training failed; the last checkpoint is good.
        Stopped: After SIGINT or SIGTERM, with a checkpoint written.
    """
    asked = _asked_for(config, preset, settings)
    with (
        company_here() as company,
        _console(console, company) as told,
        in_fixed_order(asked.training.deterministic),
    ):
        return _train(asked, told, company)


def _console(
    console: Console | None, company: Company
) -> contextlib.AbstractContextManager[Console]:
    """Where this process tells how it goes; None is what `adavit.runtime.console.console_here` finds."""
    if not company.leads:
        return contextlib.nullcontext(SilentConsole())
    return console_or_here(console)


def _claimed(
    directory: RunDirectory, company: Company
) -> contextlib.AbstractContextManager[object]:
    """While entered, no other run trains there; the process that writes sees to it."""
    return directory.claimed() if company.leads else contextlib.nullcontext()


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


def _train(config: RunConfig, console: Console, company: Company) -> Path:
    if company.world.tell(is_begun(config.run.out, company.place)):
        assert config.run.out is not None
        return _resume_claimed(RunDirectory.open(config.run.out), [], console, company)
    if company.leads:
        RunDirectory.check_free(config.run.out)
    company.take_device(choose_device(config.run.device))
    # What it may lack is said before data are loaded.
    start = company.in_turn(lambda: read_start(config))
    placed, size = with_absolute_paths(config), company.world.size
    workload = company.in_turn(partial(start.prepare, placed, console, processes=size))
    reduction = agreed_reduction(workload, company)
    step, notes = first_step(workload, start, reduction)  # likewise, before a directory is made
    del start  # the networks have what it read: hundreds of megabytes
    directory = new_directory(workload, company)
    with _claimed(directory, company):
        summary = summarise_settings(config, workload.config)
        where = f"All settings: {directory.config}\nRun directory: {directory.path}"
        offered = offer() if config.features.network is None else None
        if company.leads:
            write_text(directory.config, config_text(workload.config))
        for note in (f"{summary}\n{where}", *notes, *([offered] if offered else [])):
            console.note(note)
        return _run(Trainer(workload, step, directory, console), company)


@takes_paths("path")
def resume(
    path: Path | str,
    layers: Sequence[Mapping[str, Any]] = (),
    *,
    console: Console | None = None,
    **settings: Any,
) -> Path:
    """Continues a run from its checkpoint, as if it had never stopped.

    On a CPU its weights are the same to the bit, and on CUDA with `training.deterministic`. Without it the random
    draws are, but gradients of `grid_sample` and of gathers, fused attention and cuDNN add in no fixed order there:
    weights differ as those of one run made twice.

    Example:
        >>> adavit.resume("runs/00000-small_set-resnet-bgc", kimg=200)

    Args:
        path: The run directory.
        layers: Settings given again or anew, by section; only length, device and cadence may differ.
        console: As for `train`.
        settings: As for `train`, laid over the layers.

    Returns:
        The run directory.

    Raises:
        UserError: If there is no run, a setting differs that must not, the length asked for is below
            what was seen, the data changed, or another process trains in it.
        RunError: If training failed; the last checkpoint is good.
        Stopped: After SIGINT or SIGTERM, with a checkpoint written.
    """
    with company_here() as company, _console(console, company) as told:
        directory = RunDirectory.open(Path(path))
        return _resume_claimed(directory, [*layers, layer_of(settings)], told, company)


def _resume_claimed(
    directory: RunDirectory,
    layers: Sequence[Mapping[str, Any]],
    console: Console,
    company: Company,
) -> Path:
    with _claimed(directory, company):
        company.world.wait()  # nobody reads in it before it is claimed
        return _resume(directory, layers, console, company)


def _resume(
    directory: RunDirectory,
    layers: Sequence[Mapping[str, Any]],
    console: Console,
    company: Company,
) -> Path:
    newest = load_newest(directory.checkpoint)
    if newest is None:
        check_not_pruned(directory)
    else:
        if newest.warning:
            console.note(f"Warning: {newest.warning}")
        if settings_in_file(directory) is None:
            console.note(
                f"Warning: {directory.config} is lost or damaged; it is written again from"
                f" {newest.path.name}, which holds the settings too."
            )
        check_unchanged(directory, newest.state, may_change=MAY_CHANGE_ON_RESUME)
    config = continued_config(directory, layers)
    _check_there(directory, config.data.source)
    with in_fixed_order(config.training.deterministic):
        return _go_on(directory, config, newest, console, company)


def _go_on(
    directory: RunDirectory,
    config: RunConfig,
    newest: LoadedCheckpoint | None,
    console: Console,
    company: Company,
) -> Path:
    company.take_device(choose_device(config.run.device))
    start = company.in_turn(
        lambda: read_start(config) if newest is None else frozen_networks(config)
    )
    try:
        workload = company.in_turn(lambda: prepare(config, console))
    except StepTooLarge as error:
        raise RunError(
            f"{error.what} A run goes on with the settings that it began with: close other programs, or take a"
            " device or a machine with more memory (--device)."
        ) from None
    reduction = agreed_reduction(workload, company)
    if newest is not None:
        step = build_step(workload, start, reduction)
        trainer = Trainer(workload, step, directory, console)
        company.world.wait()  # all have read what rank 0 now brings back to one moment
        trainer.resume(newest)
    else:  # killed before the first one
        console.note(f"Run {directory.path} has no checkpoint; it begins again at 0.")
        step, notes = first_step(workload, start, reduction)
        for note in notes:
            console.note(note)
        trainer = Trainer(workload, step, directory, console)
        company.world.wait()
        trainer.begin_again()
    del start  # as in `_train`
    if company.leads:
        write_text(directory.config, config_text(workload.config))
    if trainer.progress.images >= total_images(workload.config.training):
        console.note(
            f"Run {directory.path} is finished: {trainer.progress.images / 1000:g} of"
            f" {workload.config.training.total_kimg:g} kimg. Give a larger --kimg to train on."
        )
    else:
        console.note(f"Continuing {directory.path} at {trainer.progress.images / 1000:g} kimg.")
    return _run(trainer, company)


def _check_there(directory: RunDirectory, source: str) -> None:
    if source.partition(":")[0] not in NAMES and not Path(source).exists():
        raise UserError(
            f"the images of the run are not at {source!r}, expected those it was trained on. Name where they"
            f" are now: {directory.resume_command} --data FOLDER."
        )


def continued_config(directory: RunDirectory, layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    """The stored configuration with what may change replaced.

    Raises:
        UserError: Naming every setting that must not change.
    """
    stored = stored_settings(directory)
    given = merge(*layers)
    # "auto" asks for what was chosen at the start.
    layers = [stored, *map(without_auto, layers)]
    config = with_absolute_paths(build_config(layers))
    before, after = flatten(build_config([stored]).as_dict()), flatten(config.as_dict())
    changed = changed_settings(before, after, may_change=MAY_CHANGE_ON_RESUME)
    if "discriminator.kind" in changed:  # its other keys could not but change with it
        changed = [key for key in changed if not key.startswith("discriminator.")]
        changed.append("discriminator.kind")
    if changed:
        lines = [
            f"{key} is {after[key]!r}, but the run in {str(directory.path)!r} was started with"
            f" {before.get(key)!r}. Leave it out, or start a new run."
            for key in changed
        ]
        raise UserError("\n".join(lines))
    out = given.get("run", {}).get("out")
    if out is not None and Path(out).resolve() != directory.path.resolve():
        raise UserError(
            f"--out {str(out)!r} is not the run being continued ({str(directory.path)!r}), expected"
            " none. Leave --out out; the run goes on in its own directory."
        )
    return config


def config_text(config: ResolvedConfig) -> str:
    """A configuration as YAML, sections in their order."""
    return yaml.safe_dump(config.as_dict(), sort_keys=False, allow_unicode=True)


def _run(trainer: Trainer, company: Company) -> Path:
    directory, workload = trainer.directory, trainer.workload
    if company.world.size > 1:
        company.agree({"networks (digest)": digest_of_state(trainer.stateful_parts())})
        company.can_go_on(f"The last checkpoint is good; go on with: {directory.resume_command}")
    if company.leads:
        # When it began, whatever has interrupted it.
        started = read_json(directory.environment).get("started") or _now()
        environment = describe_environment(workload.device)
        written = {"started": started, **environment, **company.place.described()}
        write_json(directory.environment, written)
        write_json(directory.data, describe_data(workload))
    with ending_noted(directory) if company.leads else contextlib.nullcontext():
        trainer.output.begin()
        trainer.run()
    return directory.path


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
