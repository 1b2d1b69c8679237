"""The names of what networks are made of, and which go together. No torch, so that help and checks are quick.

What each stands for is in `adavit.models.resnet.discriminator` and `adavit.models.vit.parts`.
"""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from adavit.runtime.patch import Patch

ResNetForm = Literal["residual", "plain", "r3gan"]
"""Blocks and epilogue of the convolutional discriminator."""
Normalization = Literal["none", "chain"]
"""What is done to the features of the convolutional discriminator."""
Stem = Literal["linear", "overlap", "conv", "hybrid", "spt"]
"""From images to tokens."""
PositionEmbedding = Literal["learned1d", "learned2d", "sincos2d", "relative", "rope2d", "none"]
"""How the transformer knows where a token is."""
AttentionKind = Literal["dot", "qknorm", "l2", "lsa", "axial"]
"""How queries meet keys."""
ReadoutKind = Literal["cls", "gap", "cls+gap", "tokens"]
"""Which tokens are judged."""
WeightConstraint = Literal["none", "sn", "isn"]
"""What bounds the weights."""

Side = Literal["real", "generated"]
"""Whose images a pass of a discriminator is of."""
SIDES: tuple[Side, ...] = ("real", "generated")


Part = TypeVar("Part")


def part(table: Mapping[Any, Part], key: str, name: str) -> Part:
    """Looks up a part of a network by its name.

    Args:
        table: Parts by name.
        key: The argument's name, for the message.
        name: Its value.

    Raises:
        ValueError: If there is none.
    """
    if name not in table:
        raise ValueError(
            f"{key} is {name!r}, but must be one of {', '.join(table)}. Use one of them."
        )
    return table[name]


def check_parts(
    *,
    stem: str,
    position_embedding: str,
    attention: str,
    patch: Patch,
    width: int,
    heads: int,
    patch_drop: float,
) -> None:
    """Checks that parts and sizes go together.

    Args:
        stem: A `Stem`.
        position_embedding: A `PositionEmbedding`.
        attention: An `AttentionKind`.
        patch: Of the images.
        width: Features D of a token.
        heads: Heads of the attention, a divisor of the width.
        patch_drop: Part of the patches that is left out.

    Raises:
        ValueError: If not; the message begins with the name of the argument to change.
    """
    if stem in ("conv", "hybrid") and any(side < 2 or side & (side - 1) for side in patch):
        nearest = Patch(*(1 << max(1, side.bit_length() - 1) for side in patch))
        raise ValueError(
            f"patch is {patch.plain}, but must be 2, 4, 8, ... on each side for stem {stem}, which halves"
            f" them. Use {nearest.plain}, or stem linear."
        )
    if stem == "spt" and min(patch) < 2:
        nearest = Patch(*(max(2, side) for side in patch))
        raise ValueError(
            f"patch is {patch.plain}, but must be at least 2 for stem spt on each side, as it moves by half"
            f" of them. Use {nearest.plain}, or stem linear."
        )
    multiple = {"learned2d": 2, "sincos2d": 4}.get(position_embedding, 1)
    if width % multiple:
        raise ValueError(
            f"width is {width}, but must be a multiple of {multiple} for position_embedding"
            f" {position_embedding}. Use {width + -width % multiple}."
        )
    if position_embedding == "rope2d" and (width // heads) % 4:
        raise ValueError(
            f"heads is {heads}, but width / heads ({width // heads}) must be a multiple of 4 for"
            " position_embedding rope2d. Change width or heads."
        )
    if attention == "axial" and patch_drop > 0:
        raise ValueError(
            f"patch_drop is {patch_drop:g}, but attention is axial, which needs whole rows and"
            " columns. Use 0, or another attention."
        )
