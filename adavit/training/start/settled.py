"""What a run trains on and with: its images divided, and all chosen that its settings leave open."""

from dataclasses import replace

import torch
from pydantic import ValidationError

from adavit.config.auto import RunFacts, resolve
from adavit.config.mistakes import explain
from adavit.config.plausibility import absurd_settings
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.data import ImageSet, Split, split_images
from adavit.errors import UserError
from adavit.features.background import CAUTION_WITH_ALPHA
from adavit.models.groups import group_size
from adavit.runtime.console import Console
from adavit.runtime.wording import counted
from adavit.training.start.heldout import heldout_note
from adavit.training.start.memory_choice import within_memory

FEW_IMAGES = 100
"""Below it a run is warned of; published few-shot sets begin there."""


def split_of_run(config: RunConfig, images: ImageSet, console: Console) -> Split:
    """Which images are trained on, and which are held out.

    Args:
        config: As for `prepare`.
        images: All of `data.source`.
        console: Told what is known of them, and how many there are.

    Raises:
        UserError: If classes are to be learnt that they have not.
    """
    data = config.data
    for note in images.notes:
        console.note(note)
    if data.cond and images.labels is None:
        raise UserError(
            f"data.cond is on, but {data.source!r} has no classes; expected sub-folders or a"
            " dataset.json with labels. Leave --cond out, or sort the images into one folder per"
            " class."
        )
    count, seed = len(images.images), config.run.seed
    split = split_images(count, subset=data.subset, heldout_fraction=data.val_fraction, seed=seed)
    console.note(
        f"Training on {counted(len(split.train), 'image', 'images')}{', doubled by flips' if data.mirror else ''};"
        f" {len(split.heldout):,} held out."
    )
    if len(split.train) < FEW_IMAGES:
        console.note(
            f"Warning: {counted(len(split.train), 'image is', 'images are')} little to learn from:"
            f" the networks will learn them by heart. Give at least {FEW_IMAGES}."
        )
    return split


def settled(
    config: RunConfig, facts: RunFacts, device: torch.device, console: Console
) -> ResolvedConfig:
    """The settings of a run, with the microbatch that its memory allows.

    Args:
        config: As for `prepare`.
        facts: Of the data and the device.
        device: Where it trains; it need not be there.
        console: Told of the microbatch.

    Raises:
        UserError: If settings do not go together, or no microbatch fits.
    """
    try:
        resolved = resolve(config, facts)
    except ValidationError as error:
        lines = _groups_beyond_a_share(config, facts) or explain(error, config.as_dict())
        raise UserError("\n".join(lines)) from None
    if config.run.memory is not None:
        resolved, told = within_memory(config, resolved, device, facts.processes)
        console.note(told)
    return resolved


def _groups_beyond_a_share(config: RunConfig, facts: RunFacts) -> list[str]:
    """A sentence for each group of images that goes with the batch, but not with what a process computes of it."""
    if config.training.microbatch is not None or facts.processes == 1:
        return []
    try:
        batch = resolve(config, replace(facts, processes=1)).training.batch
    except ValidationError:
        return []
    each = batch // facts.processes
    critic = ["features"] if config.features.network is not None else []
    groups = {
        key: group
        for section in ("discriminator", *critic)
        if (group := config.given(key := f"{section}.minibatch_std_group")) and each % group
    }
    return [
        f"{key} is {group}, but must divide the {counted(each, 'image', 'images')} that each of {facts.processes}"
        f" processes computes of training.batch ({batch}). Use {group_size(each, group)}, or"
        f" {counted(batch // group, 'process', 'processes')}, or --batch {group * facts.processes}."
        for key, group in groups.items()
    ]


def tell_of_settings(
    resolved: ResolvedConfig, images: ImageSet, split: Split, console: Console
) -> None:
    """Warns of settings that make no sense, of these images or at all.

    Raises:
        UserError: If p is to follow held-out images, and there are none.
    """
    warnings = absurd_settings(resolved)
    if resolved.features.network is not None and images.channels == 4:
        warnings.append(CAUTION_WITH_ALPHA)
    for sentence in warnings:
        console.note(f"Warning: {sentence}")
    if (untold := heldout_note(resolved, split, len(images.images))) is not None:
        console.note(untold)
