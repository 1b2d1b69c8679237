"""Starting from another run: its generator, discriminator and average, as far as they fit.

Its optimisers, counts and augmentation probability are left behind.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from adavit.config.run import ResolvedConfig
from adavit.errors import UserError
from adavit.features.choice import PretrainedNetwork
from adavit.features.discriminator import ProjectedDiscriminator
from adavit.models.fitting import load_fitting
from adavit.training.start.alignment import (
    OfferedTensors,
    aligned_discriminator,
    aligned_generator,
)
from adavit.training.start.differences import OF_NETWORKS, told_differences
from adavit.training.start.freeze import check_frozen
from adavit.training.start.transfer_source import TransferSource, settings_by_network
from adavit.training.start.transferred_heads import aligned_heads, why_no_heads
from adavit.training.step.adversarial_step import AdversarialStep

_ALIGNED: dict[str, Callable[[Mapping[str, Tensor], Mapping[str, Any], Any], OfferedTensors]] = {
    "generator": aligned_generator,
    "discriminator": aligned_discriminator,
    "average": aligned_generator,
}


def transfer(
    step: AdversarialStep,
    source: TransferSource,
    network: PretrainedNetwork | None = None,
    config: ResolvedConfig | None = None,
) -> list[str]:
    """Copies the tensors that fit by name and shape into the networks of a run.

    Args:
        step: Whose networks are filled.
        source: What `read_source` returned.
        network: What the heads of the step see through; None without heads.
        config: Of the step, to say what its networks are made with and the source's are not. None: it is not said.

    Returns:
        A line for each network: how much was taken over, what differs, and what was not; before them the source's
        warning and notes.

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
    own = {} if config is None else settings_by_network(config.as_dict())
    loaded = {
        name: _load_aligned(name, target, source, own)
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
        *_heads(step, source, network),
    ]


def _heads(
    step: AdversarialStep, source: TransferSource, network: PretrainedNetwork | None
) -> list[str]:
    """Takes over heads that were trained on the same maps; a line about it, where the step has some."""
    if isinstance(step.discriminator, ProjectedDiscriminator):
        critic = step.discriminator.critic
    elif step.features is not None:
        critic = step.features.critic
    else:
        return []
    assert network is not None
    reason = why_no_heads(source, critic, network)
    if reason is not None:
        return [f"Newly initialised: the heads on frozen features; {reason}."]
    return [_load("heads on frozen features", critic, aligned_heads(source, critic, network))[1]]


def _load_aligned(
    name: str, network: nn.Module, source: TransferSource, own: Mapping[str, Mapping[str, Any]]
) -> tuple[set[str], str]:
    """Names of what was taken over, and a line about it."""
    there = source.made_with.get(name, {})
    offer = _ALIGNED[name](source.networks[name], there, network)
    differing = told_differences(own.get(name, {}), there, OF_NETWORKS.get(name, ()))
    return _load(name, network, offer, differing)


def _load(
    name: str, network: nn.Module, offer: OfferedTensors, differing: Sequence[str] = ()
) -> tuple[set[str], str]:
    """The same of tensors that are aligned."""
    wanted = network.state_dict()
    fitting = load_fitting(network, offer.tensors)
    taken = f"Transferred {len(fitting)} of {len(wanted)} tensors of the {name}"
    parts = [", ".join([taken, *offer.remarks]), *differing]
    left = _left_out(wanted, offer, fitting)
    if left:
        parts.append(f"newly initialised: {', '.join(left)}")
    return fitting, f"{'; '.join(parts)}."


def _left_out(wanted: Mapping[str, Tensor], offer: OfferedTensors, fitting: set[str]) -> list[str]:
    """What does not fit and why; a layer of which nothing fits is named once, and what all layers of a kind lack."""
    offered = offer.tensors
    partly = {prefix for key in fitting for prefix in _prefixes(key)}
    absent = {key for key in wanted if key not in offered}
    alone = {  # what they go with does not fit, which is told first
        key for key in wanted.keys() - absent - fitting if offered[key].shape == wanted[key].shape
    }
    single = {key for key in absent | alone if _parent(key) in partly}
    layers = Counter(key.rpartition(".")[2] for key in single)
    reasons: dict[str, str] = {}
    for key, value in sorted(wanted.items(), key=lambda item: item[0] in alone):
        if key not in fitting and offer.withheld.get(key) != "":
            name = next(prefix for prefix in _prefixes(key) if prefix not in partly)
            part = key.rpartition(".")[2]
            usual = "of weights that do not fit" if key in alone else "not there"
            why = offer.withheld.get(key, usual)
            if key in single and layers[part] > 1:
                reasons.setdefault(f"*.{part}", f"{part} of {layers[part]} layers ({why})")
            elif key in absent or key in alone:
                reasons.setdefault(name, f"{name} ({why})")
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
