"""The heads of a critic on frozen features that another run has trained, as far as they judge the same maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from adavit.features.architectures import Tap
from adavit.features.choice import PretrainedNetwork
from adavit.features.critic import FeatureCritic
from adavit.models.fitting import part_of_state
from adavit.training.start.alignment import OfferedTensors, convert_last_layers
from adavit.training.start.transfer_source import TransferSource


def why_no_heads(
    source: TransferSource, critic: FeatureCritic, network: PretrainedNetwork
) -> str | None:
    """Why none of a source's heads can be taken over, in words; None where some can.

    Args:
        source: Of the heads.
        critic: That begins.
        network: What it sees through.
    """
    offered, there = source.networks.get("features", {}), _made_with(source)
    if not offered:
        return f"the {source.kind} to start from has none"
    if source.critic_saw != network.identity:
        name = source.critic_saw.partition(" ")[0]
        reason = f"those to start from look through {name}"
        return reason + " with other weights" * (name == network.identity.partition(" ")[0])
    if not _same_colours(there, critic, network):
        return "those to start from have another features.mean or features.std"
    if _mixing(offered) != _mixing(critic.state_dict()):
        return "those to start from have another features.mixing"
    if critic.mixing is not None and _maps(_taps(there, critic, network)) != _maps(
        critic.frozen[0].taps
    ):
        return "those to start from mix other maps (features.maps)"
    return None


def aligned_heads(
    source: TransferSource, critic: FeatureCritic, network: PretrainedNetwork
) -> OfferedTensors:
    """The heads of a source under the numbers that the same maps have here.

    How maps are standardised goes with the head that has learnt of them: it is taken over where that fits whole.

    Args:
        source: Of heads that look through the same network, see `why_no_heads`.
        critic: That begins. Not changed.
        network: What both see through.
    """
    offered, own = source.networks["features"], critic.state_dict()
    there = _taps(_made_with(source), critic, network)
    offer = OfferedTensors({name: offered[name] for name in offered if _is_mixing(name)})
    moved = {
        number: there.index(tap) for number, tap in enumerate(critic.frozen[0].taps) if tap in there
    }
    for number, before in moved.items():
        head = part_of_state(offered, f"heads.{before}.")
        offer.tensors.update({f"heads.{number}.{name}": value for name, value in head.items()})
    convert_last_layers(offer, critic)
    for number in range(len(critic.heads)):
        fits = _shapes(offer.tensors, number) == _shapes(own, number)
        for kind in ("mean", "std"):
            if fits:
                offer.tensors[f"{kind}{number}"] = offered[f"{kind}{moved[number]}"]
            else:  # measured of this run's images
                offer.withheld[f"{kind}{number}"] = ""
    return offer


def _shapes(state: Mapping[str, Tensor], number: int) -> dict[str, torch.Size]:
    head = part_of_state(state, f"heads.{number}.")
    return {name: value.shape for name, value in head.items()}


def _made_with(source: TransferSource) -> Mapping[str, Any]:
    return source.made_with.get("features", {})


def _taps(
    there: Mapping[str, Any], critic: FeatureCritic, network: PretrainedNetwork
) -> tuple[Tap, ...]:
    """What the source's heads look at; what those here do where its settings are not known."""
    if not there:
        return critic.frozen[0].taps
    return network.outputs(there["side"], there["maps"], class_token=there["class_token"])


def _maps(taps: Sequence[Tap]) -> list[Tap]:
    return [tap for tap in taps if tap.stride is not None]


def _same_colours(
    there: Mapping[str, Any], critic: FeatureCritic, network: PretrainedNetwork
) -> bool:
    """Whether the network was given the same colours for the same images."""
    known, frozen = network.architecture, critic.frozen[0]
    pairs = (
        (there.get("mean") or known.mean, frozen.mean),
        (there.get("std") or known.std, frozen.std),
    )
    return not there or all(
        torch.equal(torch.tensor(given), own.flatten().cpu()) for given, own in pairs
    )


def _mixing(state: Mapping[str, Tensor]) -> set[str]:
    """The parts of what mixes maps, which tell its kind."""
    return {name.split(".")[1] for name in state if _is_mixing(name)}


def _is_mixing(name: str) -> bool:
    return name.startswith("mixing.")
