"""`pretrain`: from a configuration to a file with a trunk, in one go or in several."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from adavit.config.discriminator import ViTConfig
from adavit.config.layers import flatten, without_auto
from adavit.config.precision import choose_precision
from adavit.config.pretraining import (
    PretrainConfig,
    PretrainingConfig,
    build_pretrain_config,
    resolve_pretraining,
)
from adavit.config.run import RunConfig
from adavit.config.run_settings import RunSettings
from adavit.config.section import writable
from adavit.config.training import TrainingConfig
from adavit.data import ImageSet
from adavit.data.channels import fewest_channels
from adavit.errors import UserError
from adavit.pretraining.directory import PretrainingDirectory
from adavit.pretraining.footprint import check_pretraining_memory
from adavit.pretraining.loop import PretrainingLoop
from adavit.runs.generations import LoadedCheckpoint, load_newest
from adavit.runtime.console import Console, SilentConsole
from adavit.runtime.devices import choose_device, has_bf16
from adavit.training.start.continued import check_goes_on_in_place
from adavit.training.start.workload import (
    Workload,
    absolute_source,
    foreseen,
    load_settled,
    read_images,
)

MAY_CHANGE_ON_RESUME = {
    # cadence, device; and where things lie, since their content is checked
    "pretraining.measure_every_kimg",
    "run.device",
    "run.out",
    "data.source",
    "data.data_root",
    "data.follow_links",
}


def pretrain(config: PretrainConfig | None = None, *, console: Console | None = None) -> Path:
    """Trains the trunk of a ViT discriminator to predict corrupted patches.

    Examples:
        >>> file = pretrain(PretrainConfig(data={"source": "small_set"}))
        >>> settings = {"discriminator": {"kind": "vit"}, "training": {"init_discriminator": file}}
        >>> adavit.train(adavit.RunConfig(**settings))

    Args:
        config: What to do; None takes every default.
        console: Told how it goes; None says nothing.

    Returns:
        The trunk file, which `training.init_discriminator` takes.

    Raises:
        UserError: If the user can mend it; nothing has been trained then.
        RunError: If a step cannot fit into the memory, or a number is not finite; the file of the last measurement is
            good.
        Stopped: After SIGINT or SIGTERM, with the file and a checkpoint written.
    """
    console = console or SilentConsole()
    config = config or PretrainConfig()
    PretrainingDirectory.check_free(config.run.out)
    workload, section = _prepared(config, console)
    directory = PretrainingDirectory.create(config.run.out, f"{workload.image_set.name}-pretrain")
    with directory.claimed():
        loop = _loop(workload, section, directory, console)
        loop.save_checkpoint()
        loop.run()
    return directory.trunk


def resume_pretraining(
    path: Path, layers: Sequence[Mapping[str, Any]] = (), *, console: Console | None = None
) -> Path:
    """Goes on with a pre-training, on a CPU to the same bits as if it had never stopped.

    Args:
        path: Its directory.
        layers: Settings given again; only those of `MAY_CHANGE_ON_RESUME` may differ. The length may
            not: the rate falls to 0 over it.
        console: Told how it goes; None says nothing.

    Returns:
        The trunk file.

    Raises:
        UserError: If there is none, a setting differs that must not, the images changed, or another
            process trains in it.
        RunError: As `pretrain`.
        Stopped: As `pretrain`.
    """
    console = console or SilentConsole()
    directory = PretrainingDirectory.open(path)
    with directory.claimed():
        newest = load_newest(directory.checkpoint)
        assert newest is not None  # it was opened
        if newest.warning:
            console.note(f"Warning: {newest.warning}")
        config = _continued(directory, newest, layers)
        loop = _loop(*_prepared(config, console), directory, console)
        loop.resume(newest)
        console.note(f"Continuing {path} at {loop.progress.images / 1000:g} kimg.")
        loop.run()
    return directory.trunk


def _prepared(config: PretrainConfig, console: Console) -> tuple[Workload, PretrainingConfig]:
    device = choose_device(config.run.device)
    bf16 = has_bf16(device)
    section = resolve_pretraining(config.pretraining, device=device.type, bf16=bf16)
    if config.given("pretraining.precision") is None:
        _, why = choose_precision(device.type, bf16, named="pretraining.precision")
        if why:
            console.note(why)
    run = RunConfig(
        data=config.data,
        discriminator=_without_deviation(config.discriminator),
        training=writable(TrainingConfig)(precision=section.precision),
        run=writable(RunSettings)(seed=config.run.seed, device=config.run.device),
    )

    def load(run: RunConfig, device: torch.device, console: Console) -> ImageSet:
        known = foreseen(run, device)
        if known is not None:
            check_pretraining_memory(known, section, device, fewest_channels(run.data.channels))
        return read_images(run, device, console)

    workload = load_settled(run, console, load=load)
    patch, size = (
        cast(ViTConfig, workload.config.discriminator).patch,
        workload.config.data.resolution,
    )
    if patch.grid_of(size) == (1, 1):
        raise UserError(
            f"discriminator.patch is {patch.plain}, which makes one patch of an image of {size.plain} px, but a"
            " hidden patch is predicted from others. Use a smaller patch."
        )
    channels = workload.image_set.channels
    check_pretraining_memory(workload.config, section, workload.device, channels)
    return workload, section


def _without_deviation(discriminator: ViTConfig) -> ViTConfig:
    """Batches of a pre-training are its own, and no deviation over images of a batch is taken of hidden patches."""
    return discriminator.model_copy(update={"minibatch_std_group": 0})


def _loop(
    workload: Workload,
    section: PretrainingConfig,
    directory: PretrainingDirectory,
    console: Console,
) -> PretrainingLoop:
    config = workload.config
    source = {"source": absolute_source(config.data.source)}
    settings = {
        "data": config.data.model_dump(mode="json") | source,
        "discriminator": config.discriminator.model_dump(mode="json"),
        "pretraining": section.model_dump(mode="json"),
        "run": {"seed": config.run.seed, "device": config.run.device},
    }
    return PretrainingLoop(workload, section, directory, console, settings=settings)


def _continued(
    directory: PretrainingDirectory,
    loaded: LoadedCheckpoint,
    layers: Sequence[Mapping[str, Any]],
) -> PretrainConfig:
    """The stored configuration with what may change replaced."""
    stored = loaded.state.get("config")
    if not isinstance(stored, Mapping):
        raise UserError(
            f"checkpoint {str(loaded.path)!r} holds no settings, expected what adavit"
            " pretrain has written. Begin anew with another --out."
        )
    # "auto" asks for what was chosen at the start.
    config = build_pretrain_config([stored, *map(without_auto, layers)])
    check_goes_on_in_place(directory.path, layers, "pre-training")
    config = config.model_copy(update={"discriminator": _without_deviation(config.discriminator)})
    before = flatten(build_pretrain_config([stored]).as_dict())
    changed = [
        f"{key} is {value!r}, but {str(directory.path)!r} was started with {before.get(key)!r}."
        " Leave it out, or begin anew with another --out."
        for key, value in flatten(config.as_dict()).items()
        if key not in MAY_CHANGE_ON_RESUME and before.get(key) != value
    ]
    if changed:
        raise UserError("\n".join(changed))
    return config
