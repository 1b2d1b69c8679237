"""`run.memory`: the largest microbatch whose step is foreseen to fit."""

import math

import torch

from adavit.augment.devices import is_accelerator
from adavit.config.microbatches import smaller_slices, told_of_slices
from adavit.config.run import ResolvedConfig, RunConfig
from adavit.errors import UserError
from adavit.runtime.amounts import bytes_of
from adavit.runtime.memory import resident_bytes
from adavit.runtime.wording import counted, size
from adavit.training.start.footprint import expected_bytes

CONTEXT = 600_000_000
"""Bytes that a driver and its libraries take of an accelerator beside tensors, about."""


def held_before(device: torch.device) -> int:
    """What is taken before the first step: of the machine what this process holds, of an accelerator `CONTEXT`.

    Args:
        device: Where a run trains; it need not be there.
    """
    return CONTEXT if is_accelerator(device) else resident_bytes()


def within_memory(
    config: RunConfig, resolved: ResolvedConfig, device: torch.device, processes: int = 1
) -> tuple[ResolvedConfig, str]:
    """The settings with the microbatch that `run.memory` allows, which is stored in its place.

    Groups of a standard deviation stay what they are for the whole batch: all that changes is the slices, see
    `adavit.config.microbatches.told_of_slices`.

    Args:
        config: As the user gave it.
        resolved: The same, with what was chosen for the whole batch.
        device: Where the run trains; it need not be there.
        processes: That share each batch.

    Returns:
        The settings, and a line for people.

    Raises:
        UserError: If none of the slices that the batch allows fit, or a microbatch was given too.
    """
    asked = resolved.run.memory
    assert asked is not None
    if config.training.microbatch is not None:
        raise UserError(
            f"--memory is {asked}, which chooses the microbatch, but training.microbatch is"
            f" {config.training.microbatch}. Leave one of the two out."
        )
    run = resolved.run.model_copy(update={"memory": None})
    resolved = resolved.model_copy(update={"run": run})
    room, before = bytes_of(asked), held_before(device)
    choices = list(smaller_slices(resolved, resolved.training.batch, processes=processes))
    if not choices:  # processes that do not divide the batch: whoever makes slices says so
        return resolved, ""
    needs = {}
    # Each is counted, from the largest on: what is needed need not fall, as of smaller slices more sums are held.
    for chosen in choices:
        needed = before + expected_bytes(chosen, device, processes)
        if needed <= room:
            break
        needs[needed] = chosen.training.images_at_a_time
    else:
        least = min(needs)
        raise UserError(
            f"--memory is {asked}, but a step needs about {size(least)} even with"
            f" {counted(needs[least], 'image', 'images')} at a time, which takes the least of all that this batch and"
            f" its groups allow ({size(before)} of it are taken before). Give {_at_least(least)}, a lower --resolution,"
            " or smaller networks."
        )
    return chosen, (
        f"Microbatch: {chosen.training.images_at_a_time} of {chosen.training.batch} images, the largest that is"
        f" foreseen to fit into {asked} (about {size(needed)}). It is stored as training.microbatch."
        f" Gradients are the same but for {told_of_slices(chosen)}, so the weights are others than those of another"
        " microbatch."
    )


def _at_least(count: int) -> str:
    """An amount that so many bytes fit into, as --memory takes it; what is taken before differs a little each time."""
    return f"{math.ceil(1.02 * count / 1e7)}0MB"
