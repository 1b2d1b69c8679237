"""What all processes of a run must have alike before they train together."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from adavit.config.layers import flatten
from adavit.config.microbatches import with_microbatch
from adavit.metrics.extractors.extractor import tensors_digest
from adavit.runs.checkpoint import Stateful, state_of
from adavit.runtime.console import Console
from adavit.runtime.process_group import ProcessGroup
from adavit.runtime.wording import counted
from adavit.runtime.world import World
from adavit.training.start.workload import Workload
from adavit.training.step.reduction import Reduction, reduction_of

MAY_DIFFER = {
    # Where things lie on each machine; their content counts instead.
    "data.source",
    "data.data_root",
    "data.follow_links",
    "features.network",
    "metrics.inception_weights",
    "metrics.reference",
    "run.device",
    "run.out",
    "training.distill_network",
    "training.init_discriminator",
    "training.transfer",
}
"""Keys of the configuration that a machine may have for itself."""


def facts_of(workload: Workload) -> dict[str, Any]:
    """The configuration and the images, as plain values by what they are called in a message."""
    config = flatten(workload.config.as_dict())
    return {
        **{key: value for key, value in config.items() if key not in MAY_DIFFER},
        "images (fingerprint)": workload.image_set.fingerprint,
        "images of the metrics (fingerprint)": workload.reference_fingerprint,
        "device": workload.device.type,
    }


def digest_of_state(parts: Mapping[str, Stateful]) -> str:
    """Eight hexadecimal digits of all tensors that training changes.

    Args:
        parts: By their names in a checkpoint.
    """
    digest = hashlib.sha256()
    for name, state in sorted(state_of(parts).items()):
        digest.update(f"{name} {tensors_digest(dict(_tensors(state)))}".encode())
    return digest.hexdigest()[:8]


def _tensors(state: Any, name: str = "") -> list[tuple[str, Tensor]]:
    if isinstance(state, Tensor):
        return [(name, state)]
    inner: Any = state.items() if isinstance(state, Mapping) else ()
    if isinstance(state, list | tuple):
        inner = enumerate(state)
    return [found for key, value in inner for found in _tensors(value, f"{name}.{key}")]


def with_common_slices(
    workload: Workload, group: ProcessGroup, console: Console, *, chosen: bool
) -> Workload:
    """The workload with the smallest microbatch of all processes, where each has chosen one by what it holds itself.

    Args:
        workload: Of the run, as this process knows it.
        group: All that train it.
        console: Told of another microbatch than this process has chosen.
        chosen: Whether the microbatch is a choice, by `run.memory`.
    """
    own = workload.config.training.images_at_a_time
    told = group.world.gather(torch.tensor([own, int(chosen)]))
    least = min(int(images) for images, _ in told)
    # Those that were given are compared, not changed.
    if least == own or not all(is_choice for _, is_choice in told):
        return workload
    config = with_microbatch(workload.config, least)
    assert config is not None  # as another process has it
    batch = counted(config.training.batch, "image", "images")
    console.note(
        f"Microbatch: {least} of {batch}, the largest that is foreseen to fit in each of the {len(told)} processes."
    )
    return replace(workload, config=config)


def agreed_reduction(workload: Workload, group: ProcessGroup) -> Reduction:
    """How the processes share a batch, if they agree on all that decides the run.

    Args:
        workload: Of the run, as this process knows it.
        group: All that train it.

    Raises:
        UserError: If they do not, or cannot share it evenly.
    """
    if group.world.size > 1:
        group.agree(facts_of(workload))
    return shared_reduction(workload, group.world)


def shared_reduction(workload: Workload, world: World) -> Reduction:
    """How processes share a batch, however they agreed.

    Args:
        workload: Of the run.
        world: They.

    Raises:
        UserError: If they cannot share it evenly.
    """
    training = workload.config.training
    return reduction_of(
        world, batch=training.batch, microbatch=training.microbatch, fast=training.fast_reduce
    )
