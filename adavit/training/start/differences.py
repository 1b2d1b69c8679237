"""What else a network is made with than the one whose tensors it takes over: the same tensors, another function."""

from collections.abc import Iterable, Mapping
from typing import Any

OF_TRUNKS = ("patch", "heads", "stem", "position_embedding", "attention", "weight_constraint")
"""Arguments of a ViT's trunk that need not show in the names and shapes of its tensors."""

OF_NETWORKS = {
    "generator": ("mapping_layers", "noise"),
    "discriminator": (
        *("depth", "heads", "stem", "position_embedding", "attention", "readout"),
        *("weight_constraint", "form", "normalization", "label_layers"),
    ),
}
"""The same of whole networks. A patch of other pixels shows: its weights are not taken over."""


def told_differences(
    own: Mapping[str, Any], there: Mapping[str, Any], names: Iterable[str]
) -> list[str]:
    """Those of some arguments that differ, as "heads is 4, there 2".

    Args:
        own: Arguments by name.
        there: Those of the other network.
        names: Which are compared; one that is not known of both, or None, is not.
    """
    return [
        f"{name} is {own[name]!r}, there {there[name]!r}"
        for name in names
        if own.get(name) is not None and there.get(name) is not None and own[name] != there[name]
    ]
