"""The configuration of a run that goes on: its own, with what may differ given anew."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adavit.config.layers import Values, build_config, flatten, merge, without_auto
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data.known_names import has_known_name
from adavit.errors import UserError
from adavit.runs.directory import RunDirectory
from adavit.runtime.paths import expand_home
from adavit.training.start.absolute_paths import with_absolute_paths
from adavit.training.start.stored_settings import changed_settings, settings_of, stored_settings
from adavit.training.start.workload import Workload

HOW_READ = ("data.channels", "data.fit", "data.frames", "data.scale_16bit")
"""Settings by which files become images."""

MAY_CHANGE_ON_RESUME = {
    # length, device, cadence; and where things lie and how they are read, since their content is checked
    "training.total_kimg",
    "training.microbatch",  # what memory allows; gradients are the same but for what slices draw
    "training.graphs",
    "training.compile",
    "training.deterministic",
    "training.fast_reduce",
    "metrics.patience_kimg",
    "metrics.every_kimg",
    "metrics.inception_weights",
    "run.device",
    "run.out",
    "run.budget",
    "run.status_every_kimg",
    "run.samples_every_kimg",
    "run.checkpoint_every_kimg",
    "run.keep_checkpoints",
    "run.keep_every_kimg",
    "data.source",
    "data.data_root",
    "data.follow_links",
    *HOW_READ,
    "metrics.reference",
    "features.network",
    "training.distill_network",
}


def continued_config(directory: RunDirectory, layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    """The stored configuration with what may change replaced.

    Raises:
        UserError: Naming every setting that must not change.
    """
    stored = stored_settings(directory)
    before = flatten(build_config([stored]).as_dict())
    _check_slices(before, layers)
    asked = _asked(stored, layers)
    config = _as_chosen(asked, directory, stored)
    after = flatten(config.as_dict())
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
    check_goes_on_in_place(directory.path, layers, "run")
    return config


def choices_kept(directory: RunDirectory, layers: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is given again and was chosen from at the start, for a person: a sentence for each setting.

    Args:
        directory: Of the run.
        layers: Settings given again, as `continued_config` has taken them.
    """
    stored = stored_settings(directory)
    asked = _asked(stored, layers)
    config, notes = _as_chosen(asked, directory, stored), []
    if asked.run.memory is not None:
        each = config.training.images_at_a_time
        notes.append(
            f"run.memory is {asked.run.memory}, which chooses the microbatch of a new run; this one goes on with"
            f" {each} of {config.training.batch} images at a time. --microbatch changes that."
        )
    if asked.metrics.names != config.metrics.names:
        notes.append(
            f"metrics.names is {','.join(asked.metrics.names)}, for which the budget of this run has left no time; it"
            " goes on without."
        )
    return notes


def _asked(stored: Values, layers: Sequence[Mapping[str, Any]]) -> RunConfig:
    """The stored settings under those given again, of which "auto" asks for what was chosen at the start.

    But for what was chosen by another setting that is given now: sums in a fixed order are not the fastest ones.
    """
    given = list(map(without_auto, layers))
    if _training_of(given).get("deterministic"):
        stored = merge(stored, {"training": {"fast_reduce": False}})
    return with_absolute_paths(build_config([stored, *given]))


def _training_of(layers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The section `training` as it was given; empty where it is none, which is told of with all settings."""
    training = merge(*layers).get("training")
    return training if isinstance(training, Mapping) else {}


def _check_slices(known: Values, layers: Sequence[Mapping[str, Any]]) -> None:
    """Refuses slices that do not consist of the groups of the run, which were chosen at its start and are kept.

    Args:
        known: All settings of the run, by `section.key`.
        layers: Settings given again.

    Raises:
        UserError: If so; it names those that do.
    """
    given = str(_training_of(layers).get("microbatch"))
    if not re.fullmatch(r"0*[1-9]\d{0,8}", given, re.ASCII):
        return  # what is no such number is told of with all settings
    images, keys = int(given), ["discriminator.minibatch_std_group"]
    if known["features.network"] is not None:
        keys.append("features.minibatch_std_group")
    for key in keys:
        group, batch = known.get(key), known["training.batch"]
        if isinstance(group, int) and isinstance(batch, int) and group and images % group:
            fit = [str(n) for n in range(group, batch + 1, group) if batch % n == 0]
            raise UserError(
                f"training.microbatch is {images}, but this run compares {group} images with each other ({key}), and"
                f" keeps that; expected a multiple of {group} that divides training.batch ({batch}). Use"
                f" {' or '.join(fit)}."
            )


def _as_chosen(asked: RunConfig, directory: RunDirectory, stored: Values) -> RunConfig:
    """Without what the start of the run has chosen from: a microbatch by the memory, no figures for lack of time."""
    run, metrics = asked.run.model_copy(update={"memory": None}), asked.metrics
    was_measured = build_config([stored]).metrics.names
    if directory.budget.is_file() and not was_measured:
        if metrics.names == build_config([]).metrics.names:  # one that was named stays
            metrics = metrics.model_copy(update={"names": ()})
    return asked.model_copy(update={"run": run, "metrics": metrics})


def check_goes_on_in_place(folder: Path, layers: Sequence[Mapping[str, Any]], what: str) -> None:
    """Refuses another place for what goes on in its own.

    Args:
        folder: Where it lies.
        layers: Settings given again, which make a configuration.
        what: Its kind, in a word of the message.

    Raises:
        UserError: If `run.out` is given and is another.
    """
    out = (merge(*layers).get("run") or {}).get("out")
    if out is not None and expand_home(Path(out)).resolve() != folder.resolve():
        raise UserError(
            f"--out {str(out)!r} is not the {what} being continued ({str(folder)!r}), expected"
            f" none. Leave --out out; the {what} goes on in its own folder."
        )


def check_images_exist(directory: RunDirectory, config: RunConfig) -> None:
    """Refuses to go on with images that have moved, before any are looked for.

    Args:
        directory: Of the run.
        config: With which it is to go on.

    Raises:
        UserError: If there is nothing where its images, or those that its metrics compare with, are said to be.
    """
    data, metrics = config.data.source, config.metrics
    named = [("the images of the run", data, "those it was trained on", "--data")]
    if metrics.names and metrics.reference is not None:
        compared = "those that its figures compare with"
        named.append(
            ("the real images of the metrics", metrics.reference, compared, "--metric-data")
        )
    for what, source, expected, flag in named:
        if not has_known_name(source) and not Path(source).exists():
            raise UserError(
                f"{what} are not at {source!r}, expected {expected}. Name where they are now:"
                f" {directory.resume_command} {flag} FOLDER."
            )


def check_same_images(workload: Workload, state: Mapping[str, Any]) -> None:
    """Refuses to go on with other images than those of a checkpoint, before anything is done with them.

    Args:
        workload: Of the run that goes on.
        state: Of its checkpoint.

    Raises:
        UserError: If it has trained on others, or been measured against others.
    """
    config = workload.config
    read, remedy = _read_otherwise(config, state)
    present, trained_on = workload.image_set.fingerprint, str(state.get("fingerprint"))
    if trained_on != present:
        raise UserError(
            f"the images of {config.data.source!r}{read} are not those the run was trained on"
            f" (fingerprint {present[:12]}, expected {trained_on[:12]}). {remedy}, or start a new run."
        )
    compared, measured = workload.reference_fingerprint, state.get("reference_fingerprint")
    if None not in (compared, measured) and compared != measured:
        raise UserError(
            f"the images of {config.metrics.reference or config.data.source!r}{read} are not those that the run's"
            f" figures compare with (fingerprint {str(compared)[:12]}, expected {str(measured)[:12]}). {remedy}; for"
            " other real images start a new run with --metric-data."
        )


def _read_otherwise(config: ResolvedConfig, state: Mapping[str, Any]) -> tuple[str, str]:
    """How images are read now and were not before, for a message; and what to do if they are others."""
    before, now = flatten(settings_of(state)), flatten(config.as_dict())
    changed = [key for key in HOW_READ if now[key] != before[key]]
    if not changed:
        return "", "Restore them"
    told = ", ".join(f"{key} {now[key]!r} and not {before[key]!r}" for key in changed)
    return f", read with {told},", f"Leave {' and '.join(changed)} out"
