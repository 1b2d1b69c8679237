"""Readouts: which tokens of the encoder the logit is computed from, and how they are joined."""

from typing import ClassVar, Protocol

import torch
from torch import Tensor


class Readout(Protocol):
    """Interface of a readout, which stands between the encoder and the last layer."""

    class_tokens: ClassVar[int]
    """Class tokens it needs, 0 or 1."""
    patches: ClassVar[bool]
    """Whether it looks at patches; if not, the last block need not compute them."""
    parts: ClassVar[int]
    """Vectors of D features that are joined to one."""

    def pick(self, tokens: Tensor) -> Tensor:
        """Class token and patches [B, ., D] to what is normalised, [B, D] or [B, P, D]."""

    def join(self, normalised: Tensor) -> Tensor:
        """What was picked, normalised, to vectors [B, parts D], or [B, N, D] for a logit each."""


class ClassToken:
    """The class token (Dosovitskiy et al. 2021, arXiv:2010.11929, equation 4)."""

    class_tokens: ClassVar[int] = 1
    patches: ClassVar[bool] = False
    parts: ClassVar[int] = 1

    def pick(self, tokens: Tensor) -> Tensor:
        """The first token [B, D]."""
        return tokens[:, 0]

    def join(self, normalised: Tensor) -> Tensor:
        """Nothing to join."""
        return normalised


class MeanOfPatches:
    """The mean of the patches, without a class token (arXiv:2010.11929, appendix D.3)."""

    class_tokens: ClassVar[int] = 0
    patches: ClassVar[bool] = True
    parts: ClassVar[int] = 1

    def pick(self, tokens: Tensor) -> Tensor:
        """The mean over tokens [B, D]."""
        return tokens.mean(dim=1)

    def join(self, normalised: Tensor) -> Tensor:
        """Nothing to join."""
        return normalised


class ClassTokenAndMean:
    """The class token and the mean of the patches, side by side."""

    class_tokens: ClassVar[int] = 1
    patches: ClassVar[bool] = True
    parts: ClassVar[int] = 2

    def pick(self, tokens: Tensor) -> Tensor:
        """Both [B, 2, D]."""
        return torch.stack([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1)

    def join(self, normalised: Tensor) -> Tensor:
        """Both as one vector [B, 2 D]."""
        return normalised.flatten(1)


class EachPatch:
    """A logit for each patch, of which the mean is taken, as PatchGAN does (Isola et al. 2017, arXiv:1611.07004)."""

    class_tokens: ClassVar[int] = 0
    patches: ClassVar[bool] = True
    parts: ClassVar[int] = 1

    def pick(self, tokens: Tensor) -> Tensor:
        """All patches [B, N, D]."""
        return tokens

    def join(self, normalised: Tensor) -> Tensor:
        """A vector each [B, N, D]."""
        return normalised
