"""The last layer of a slicing adversarial network (SAN; Takida et al. 2023, arXiv:2301.12811).

A discriminator tells real from generated images along one direction w of its features h. SAN keeps w at norm 1 and
gives it a loss of its own, under which it turns to where the means of both lie farthest apart; all else learns by the
usual loss, for which w stands still. So the generator moves along the direction that separates best.
"""

from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from adavit.models.last_layer import LastLayer, Projection, over_tokens
from adavit.runtime.precision import full_precision, without_autocast


class Slice(NamedTuple):
    """What v = s <w, h + b> consists of beside the vectors h.

    Attributes:
        direction: w, of norm 1: [1, ...] in the shape of a dense layer's weight; with classes [B, M].
        scale: s, 0-d; with classes [B].
        offset: b, in the shape of w; None where it is part of the vectors.
    """

    direction: Tensor
    scale: Tensor
    offset: Tensor | None


class SanLayer(LastLayer):
    """v = s <w, h + b> with w of norm 1, in float32 under autocast too."""

    _replaced: tuple[LastLayer]
    goes_with: ClassVar = {"scale": ("dense", "projection")}

    @property
    def replaced(self) -> LastLayer:
        """The layer in whose place it is, which tells how its state is that of this one; its numbers mean nothing."""
        return self._replaced[0]

    def read(self, vectors: Tensor, labels: Tensor | None) -> Tensor:
        """The logits v, with the gradient of all their parts."""
        with without_autocast(vectors.device):
            return self.along(self.slice_of(labels), full_precision(vectors))

    def slices(self, vectors: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The logits v twice, for the two losses of a discriminator: they differ in where gradients stop (sg).

        Args:
            vectors: What `prepare` has returned.
            labels: Classes [B], or None without.

        Returns:
            s <sg(w), h + b> and sg(s) <w, sg(h + b)>, each like the logits of `read`.
        """
        with without_autocast(vectors.device):
            direction, scale, offset = self.slice_of(labels)
            vectors = full_precision(vectors)
            still = None if offset is None else offset.detach()
            return (
                self.along(Slice(direction.detach(), scale, offset), vectors),
                self.along(Slice(direction, scale.detach(), still), vectors.detach()),
            )

    def slice_of(self, labels: Tensor | None) -> Slice:
        """Direction, scale and offset, with classes those of the images."""
        raise NotImplementedError

    def along(self, cut: Slice, vectors: Tensor) -> Tensor:
        """Logits [B], of a map [B, h, w], of vectors in float32."""
        raise NotImplementedError

    def normalise(self, made: Tensor) -> None:
        """Brings what is trained of the direction back to its norm, after every step that was made, bool 0-d."""


class Direction(nn.Module):
    """A trained direction, on the sphere on which the weight of a layer was drawn, and the bias b.

    Its numbers stay as large as those of the weight: Adam moves each by its rate, so a direction turns as fast as
    the layer would at its start, equalised learning rate or not. For the same reason b is used over the root of
    its length: <w, b> moves as fast as the one number that is the bias of such a layer.

    Args:
        weight: As it is trained [1, ...].
    """

    radius: Tensor
    goes_with: ClassVar = {"radius": ("weight",)}

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(torch.zeros_like(weight))
        self.bias_gain = weight.numel() ** -0.5
        self.register_buffer("radius", weight.detach().norm())

    def forward(self) -> tuple[Tensor, Tensor]:
        """The direction w, of norm 1, and the bias b, both in the shape of the weight."""
        return self.weight / self.weight.norm(), self.bias * self.bias_gain

    @torch.no_grad()
    def normalise(self, made: Tensor) -> None:
        """Back to the sphere, or untouched where `made`, bool 0-d, is False."""
        self.weight.mul_((self.radius / self.weight.norm()).masked_fill(~made, 1.0))


class SlicedDense(SanLayer):
    """SAN's last layer in place of a dense layer or a convolution of one output, at the start the same function.

    A bound on that layer's spectral norm goes: it would be 1 whatever is learned.

    Args:
        dense: A linear layer or a convolution without padding.
    """

    def __init__(self, dense: nn.Module) -> None:
        layer: Any = dense
        used = layer.weight.detach() * getattr(layer, "weight_gain", 1.0)
        is_bounded = parametrize.is_parametrized(layer, "weight")
        direction = Direction(
            layer.parametrizations.weight.original if is_bounded else layer.weight
        )
        super().__init__(direction)
        self.scale = nn.Parameter(used.norm())
        with torch.no_grad():  # s <w, b> is the bias that the layer has
            bias = layer.bias * getattr(layer, "bias_gain", 1.0)
            direction.bias.copy_(used * bias / (self.scale.square() * direction.bias_gain))

    def slice_of(self, labels: Tensor | None) -> Slice:
        """See `SanLayer`."""
        direction, offset = self.dense()
        return Slice(direction, self.scale, offset)

    def along(self, cut: Slice, vectors: Tensor) -> Tensor:
        """See `SanLayer`."""
        assert cut.offset is not None
        product = F.linear if cut.direction.ndim == 2 else F.conv2d
        # <w, h + b> is linear: what b adds is the same everywhere.
        inner = product(vectors, cut.direction) + (cut.direction * cut.offset).sum()
        return cut.scale * over_tokens(inner).squeeze(1)

    def normalise(self, made: Tensor) -> None:
        """See `SanLayer`."""
        assert isinstance(self.dense, Direction)
        self.dense.normalise(made)


class SlicedProjection(SanLayer):
    """SAN's last layer in place of a projection of labels, at the start the same function.

    Each class has a direction and a scale. The vector of a class is normalised wherever it is used, so there is
    nothing to bring back after a step. The dense layer before it stays a part of h, and its bias is b.

    Args:
        dense: Features to vectors.
        projection: As in `LastLayer`.
    """

    def __init__(self, dense: nn.Module, projection: Projection) -> None:
        super().__init__(dense, projection)
        with torch.no_grad():
            vectors = projection.class_vectors(torch.arange(projection.num_classes))
            self.scale = nn.Parameter(vectors.norm(dim=1) * projection.gain)

    def slice_of(self, labels: Tensor | None) -> Slice:
        """See `SanLayer`."""
        assert self.projection is not None
        assert labels is not None
        vectors = self.projection.class_vectors(labels)
        return Slice(F.normalize(vectors, dim=1), self.scale[labels], None)

    def along(self, cut: Slice, vectors: Tensor) -> Tensor:
        """See `SanLayer`."""
        places = [1] * (vectors.ndim - 2)
        inner = (vectors * cut.direction.view(*cut.direction.shape, *places)).sum(dim=1)
        return cut.scale.view(-1, *places) * inner


def sliced(last: LastLayer) -> SanLayer:
    """SAN's last layer in place of another, of which it takes over the weights.

    Args:
        last: Not used any more afterwards; kept as `SanLayer.replaced`.
    """
    layer: SanLayer = (
        SlicedDense(last.dense)
        if last.projection is None
        else SlicedProjection(last.dense, last.projection)
    )
    layer._replaced = (last,)  # in a tuple: it is not trained, and no part of the state
    return layer


def slice_last_layers(network: nn.Module) -> None:
    """Puts SAN's last layer in the place of every other one of a network, which draws nothing.

    Args:
        network: A discriminator, or a critic of several heads; changed in place.
    """
    for part in list(network.modules()):
        for name, child in part.named_children():
            if isinstance(child, LastLayer) and not isinstance(child, SanLayer):
                setattr(part, name, sliced(child))
