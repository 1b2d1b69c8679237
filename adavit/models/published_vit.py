"""torchvision's `vit_b_16` as data: how it is named, and what a discriminator is that takes its weights. No torch.

Its sizes are those of ViT-B of Dosovitskiy et al. 2021 (arXiv:2010.11929, table 1).
"""

from collections.abc import Mapping
from typing import Any

PUBLISHED_VIT = "torchvision:vit_b_16"
"""The network as settings name it: its download, or with a colon and FILE behind it that file."""

PARTS: dict[str, Any] = {
    "stem": "linear",
    "position_embedding": "learned1d",
    "attention": "dot",
}
"""What it is made of."""

SIZES: dict[str, Any] = {"width": 768, "depth": 12, "heads": 12, "mlp_ratio": 4.0}
"""How large it is."""

PATCH = 16
"""Side of its patches in pixels."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Red, green and blue that are 0 to it, in [0, 1], and what is 1 to it."""

READOUTS = ("cls", "cls+gap")
"""Those with a class token, as it has one."""


def is_of_library(named: str) -> bool:
    """Whether a setting names a network of torchvision, and no file of ours."""
    return named.partition(":")[0] == "torchvision"


def check_name(key: str, named: str, *, or_else: str = "") -> None:
    """Checks that a setting names `PUBLISHED_VIT`.

    Args:
        key: Of the setting, dotted.
        named: Its value.
        or_else: What else it may name, for messages.

    Raises:
        ValueError: If it names another network.
    """
    if named != PUBLISHED_VIT and not named.startswith(f"{PUBLISHED_VIT}:"):
        raise ValueError(
            f"{key} is {named!r}, expected {PUBLISHED_VIT}, whose published weights are downloaded, or"
            f" {PUBLISHED_VIT}:FILE{or_else}: a transformer, as the vit is one. Name that, or leave {key} out."
        )


def misfits(discriminator: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a discriminator that keep the published weights out, each with what would let them in.

    Args:
        discriminator: Settings by key; None is what is left open.
    """
    fitting: dict[str, tuple[Any, ...]] = {
        **{key: (value,) for key, value in (PARTS | SIZES).items()},
        "depth": tuple(range(SIZES["depth"], 0, -1)),  # the lowest of its blocks
        "readout": READOUTS,
        "weight_constraint": ("none",),
    }
    return {
        key: f"{values[0]:g}" if isinstance(values[0], float) else str(values[0])
        for key, values in fitting.items()
        if discriminator.get(key) is not None and discriminator[key] not in values
    }
