"""Starting from another run: its generator, discriminator and average, as far as they fit.

Its optimisers, counts and augmentation probability are left behind. What was learnt at another
resolution fits where layers agree by name and shape; the blocks of a convolutional discriminator are
counted from the smallest grid up, as those of the generator are, whose constant is interpolated to that grid.
"""

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from adavit.errors import UserError
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.models.fitting import (
    load_fitting,
    resize_position_embeddings,
    resized_grid,
    unflatten_other_patches,
)
from adavit.runtime.patch import Patch
from adavit.training.start.freeze import check_frozen
from adavit.training.start.transfer_source import GRID, PATCH, TransferSource
from adavit.training.step.adversarial_step import AdversarialStep

CONSTANT = "synthesis.constant"
"""Of a generator: what its images grow from."""

_BLOCK = re.compile(r"^blocks\.(\d+)\.")


def transfer(step: AdversarialStep, source: TransferSource, critic_sees: str = "") -> list[str]:
    """Copies the tensors that fit by name and shape into the networks of a run.

    Args:
        step: Whose networks are filled.
        source: What `read_source` returned.
        critic_sees: Name and digest of the network that the heads of the step judge by; empty without heads.

    Returns:
        A line for each network: how much was taken over, and what was not; before them the source's warning and notes.

    Raises:
        UserError: If nothing fits, or not all that is frozen.
    """
    discriminator = step.discriminator
    projected = isinstance(discriminator, ProjectedDiscriminator)
    targets: dict[str, nn.Module] = {
        "generator": step.generator,
        **({} if projected else {"discriminator": discriminator}),
        "average": step.average.module,
    }
    loaded = {
        name: _load(name, target, source.networks[name])
        if name in source.networks
        else (set(), f"Newly initialised: the {name}; the {source.kind} to start from has none.")
        for name, target in targets.items()
    }
    if not any(taken for taken, _ in loaded.values()):
        raise UserError(
            f"training.transfer names a {source.kind} of which nothing fits these networks. {source.sizes_from},"
            " or leave --transfer out."
        )
    if not projected:
        check_frozen(discriminator, loaded["discriminator"][0], f"the {source.kind} to start from")
    warning = [f"Warning: {source.warning}"] if source.warning else []
    return [
        *warning,
        *source.notes,
        *(text for _, text in loaded.values()),
        *_heads(step, source, critic_sees),
    ]


def _heads(step: AdversarialStep, source: TransferSource, critic_sees: str) -> list[str]:
    """Takes over heads that were trained on the same maps; a line about it, where the step has some."""
    if isinstance(step.discriminator, ProjectedDiscriminator):
        critic = step.discriminator.critic
    elif step.features is not None:
        critic = step.features.critic
    else:
        return []
    offered = source.networks.get("features", {})
    if not offered:
        reason = f"the {source.kind} to start from has none"
    elif source.critic_saw != critic_sees:
        reason = f"those to start from look through {source.critic_saw.partition(' ')[0]}"
        if source.critic_saw.partition(" ")[0] == critic_sees.partition(" ")[0]:
            reason += " with other weights"
    elif _mixed(offered) != _mixed(critic.state_dict()):
        reason = "those to start from have another features.mixing"
    else:
        return [_load("heads on frozen features", critic, offered)[1]]
    return [f"Newly initialised: the heads on frozen features; {reason}."]


def _mixed(state: Mapping[str, Tensor]) -> set[str]:
    return {name for name in state if name.startswith("mixing.")}


def _load(name: str, network: nn.Module, source: Mapping[str, Tensor]) -> tuple[set[str], str]:
    """Names of what was taken over, and a line about it."""
    aligned = _aligned if name == "discriminator" else _grown
    offered, wanted = aligned(source, network), network.state_dict()
    fitting = load_fitting(network, offered)
    text = f"Transferred {len(fitting)} of {len(wanted)} tensors of the {name}"
    if CONSTANT in fitting and offered[CONSTANT].shape != source[CONSTANT].shape:
        before, now = ("x".join(map(str, of[CONSTANT].shape[2:])) for of in (source, offered))
        text += f", {CONSTANT} resized from {before} to {now}"
    left = _left_out(wanted, offered, fitting)
    return fitting, f"{text}; newly initialised: {', '.join(left)}." if left else f"{text}."


def _left_out(
    wanted: Mapping[str, Tensor], offered: Mapping[str, Tensor], fitting: set[str]
) -> list[str]:
    """What does not fit and why; a layer of which nothing fits is named once, and what all layers of a kind lack."""
    partly = {prefix for key in fitting for prefix in _prefixes(key)}
    absent = {key for key in wanted if key not in offered and _parent(key) in partly}
    layers = Counter(key.rpartition(".")[2] for key in absent)
    reasons: dict[str, str] = {}
    for key, value in wanted.items():
        if key not in fitting:
            name = next(prefix for prefix in _prefixes(key) if prefix not in partly)
            part = key.rpartition(".")[2]
            if key in absent and layers[part] > 1:
                reasons.setdefault(f"*.{part}", f"{part} of {layers[part]} layers (not there)")
            elif key not in offered:
                reasons.setdefault(name, f"{name} (not there)")
            elif name == key:
                shapes = f"{list(value.shape)} (there {list(offered[key].shape)})"
                reasons[name] = f"{name} {shapes}"
            else:
                reasons.setdefault(name, f"{name} (other shapes)")
    return list(reasons.values())


def _parent(key: str) -> str:
    return key.rpartition(".")[0]


def _prefixes(key: str) -> list[str]:
    """All that a name lies in, and itself: a, a.b and a.b.c of a.b.c."""
    parts = key.split(".")
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _aligned(source: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """What differs with the resolution made to agree.

    The blocks of a convolutional discriminator begin at the resolution of the images and are renumbered;
    the learned positions of a ViT are interpolated.
    """
    if GRID in source:
        rows, columns = source[GRID].tolist()
        patch = Patch(*source[PATCH].tolist())
        source = unflatten_other_patches(source, network, patch=patch)
        with suppress(LookupError, RuntimeError):  # other parts: they do not fit and are named
            return resize_position_embeddings(source, network, grid=(rows, columns))
    shift = _blocks(network.state_dict()) - _blocks(source)

    def renamed(key: str) -> str:
        return _BLOCK.sub(lambda found: f"blocks.{int(found[1]) + shift}.", key)

    return {renamed(key): value for key, value in source.items()}


def _grown(source: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors of a generator with its constant interpolated to the grid that images of another shape start from."""
    wanted, found = network.state_dict().get(CONSTANT), source.get(CONSTANT)
    if wanted is None or found is None or found.shape[:2] != wanted.shape[:2] or found.ndim != 4:
        return dict(source)
    height, width = wanted.shape[2:]
    return {**source, CONSTANT: resized_grid(found, (height, width))}


def _blocks(state: Mapping[str, Any]) -> int:
    found = [int(match[1]) for match in map(_BLOCK.match, state) if match]
    return max(found, default=-1) + 1
