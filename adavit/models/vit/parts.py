"""The parts of the transformer by name, and which of them and which sizes go together."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from adavit.models.vit.attention import DotScore, L2Score, LocalityScore, QKNormScore
from adavit.models.vit.constraints import ImprovedSpectralNorm, SpectralNorm
from adavit.models.vit.position import (
    Learned1d,
    Learned2d,
    NoAttentionPosition,
    NoPosition,
    RelativeBias,
    Rotation2d,
    Sinusoids2d,
)
from adavit.models.vit.readout import (
    ClassToken,
    ClassTokenAndMean,
    EachPatch,
    MeanOfPatches,
    Readout,
)
from adavit.models.vit.stems import (
    ConvolutionalStem,
    HybridStem,
    LinearStem,
    OverlappingStem,
    ShiftedPatchStem,
)

Part = TypeVar("Part")


@dataclass(frozen=True)
class Position:
    """A position embedding: what is added to the tokens, and what acts within attention."""

    tokens: type[NoPosition] = NoPosition
    attention: type[NoAttentionPosition] = NoAttentionPosition


@dataclass(frozen=True)
class Attention:
    """The score of queries and keys, and whether attention is axial: along rows, then along columns."""

    score: type[DotScore]
    axial: bool = False


STEMS: dict[str, type[nn.Module]] = {
    "linear": LinearStem,
    "overlap": OverlappingStem,
    "conv": ConvolutionalStem,
    "hybrid": HybridStem,
    "spt": ShiftedPatchStem,
}
POSITIONS = {
    "learned1d": Position(tokens=Learned1d),
    "learned2d": Position(tokens=Learned2d),
    "sincos2d": Position(tokens=Sinusoids2d),
    "relative": Position(attention=RelativeBias),
    "rope2d": Position(attention=Rotation2d),
    "none": Position(),
}
ATTENTIONS = {
    "dot": Attention(DotScore),
    "qknorm": Attention(QKNormScore),
    "l2": Attention(L2Score),
    "lsa": Attention(LocalityScore),
    "axial": Attention(QKNormScore, axial=True),
}
READOUTS: dict[str, type[Readout]] = {
    "cls": ClassToken,
    "gap": MeanOfPatches,
    "cls+gap": ClassTokenAndMean,
    "tokens": EachPatch,
}
CONSTRAINTS: dict[str, type[nn.Module] | None] = {
    "none": None,
    "sn": SpectralNorm,
    "isn": ImprovedSpectralNorm,
}


def part(table: Mapping[str, Part], key: str, name: str) -> Part:
    """Looks up a part by its name.

    Args:
        table: One of the tables above.
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
    patch: int,
    width: int,
    heads: int,
    patch_drop: float,
) -> None:
    """Checks that parts and sizes go together.

    Args:
        stem: Name in `STEMS`.
        position_embedding: Name in `POSITIONS`.
        attention: Name in `ATTENTIONS`.
        patch: Side of a patch in pixels.
        width: Features D of a token.
        heads: Heads of the attention, a divisor of the width.
        patch_drop: Part of the patches that is left out.

    Raises:
        ValueError: If not; the message begins with the name of the argument to change.
    """
    if stem in ("conv", "hybrid") and (patch < 2 or patch & (patch - 1)):
        nearest = 1 << max(1, patch.bit_length() - 1)
        raise ValueError(
            f"patch is {patch}, but must be 2, 4, 8, ... for stem {stem}, which halves the side."
            f" Use {nearest}, or stem linear."
        )
    if stem == "spt" and patch < 2:
        raise ValueError(
            f"patch is {patch}, but must be at least 2 for stem spt, which moves by half a patch."
            " Use 2, or stem linear."
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
