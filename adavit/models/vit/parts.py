"""The parts of the transformer by name; the names themselves are in `adavit.models.names`."""

from dataclasses import dataclass

from torch import nn

from adavit.models.names import (
    AttentionKind,
    PositionEmbedding,
    ReadoutKind,
    Stem,
    WeightConstraint,
)
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


STEMS: dict[Stem, type[nn.Module]] = {
    "linear": LinearStem,
    "overlap": OverlappingStem,
    "conv": ConvolutionalStem,
    "hybrid": HybridStem,
    "spt": ShiftedPatchStem,
}
POSITIONS: dict[PositionEmbedding, Position] = {
    "learned1d": Position(tokens=Learned1d),
    "learned2d": Position(tokens=Learned2d),
    "sincos2d": Position(tokens=Sinusoids2d),
    "relative": Position(attention=RelativeBias),
    "rope2d": Position(attention=Rotation2d),
    "none": Position(),
}
ATTENTIONS: dict[AttentionKind, Attention] = {
    "dot": Attention(DotScore),
    "qknorm": Attention(QKNormScore),
    "l2": Attention(L2Score),
    "lsa": Attention(LocalityScore),
    "axial": Attention(QKNormScore, axial=True),
}
READOUTS: dict[ReadoutKind, type[Readout]] = {
    "cls": ClassToken,
    "gap": MeanOfPatches,
    "cls+gap": ClassTokenAndMean,
    "tokens": EachPatch,
}
CONSTRAINTS: dict[WeightConstraint, type[nn.Module] | None] = {
    "none": None,
    "sn": SpectralNorm,
    "isn": ImprovedSpectralNorm,
}
