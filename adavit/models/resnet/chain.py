"""CHAIN, a normalisation of the discriminator's convolutions (Ni and Koniusz 2024, arXiv:2404.00521).

What a convolution gives is divided, channel by channel, by its root mean square, and multiplied by the smallest of
these, so that no channel is ever amplified; and this for each image and channel only with a probability p, which
follows overfitting (`adavit.training.objectives.chain`). No operation on images is needed.

Weights have a fixed spectral norm: not 1, as in the paper's networks, but the one that they are drawn with here, so
that the network begins as the one without. At norm 1 features fade from layer to layer, and its first logits are a
thirtieth. On 400 emoji at 32 px and a CPU's learning rates the generator then ran off: without p and penalty
`fd_random` was 25.4, 21.8 and 41.2 at 0, 4 and 8 kimg; with the norm of the start, p and penalty 25.4, 18.2 and 11.0.

In the paper's training the generator has a pass of its own, with averages of its own. Here one pass on generated
images serves both losses (`adavit.training.step.adversarial_step`), so the two are one.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from adavit.models.layers import EqualisedConv2d
from adavit.models.names import SIDES, Side
from adavit.models.prepared_weights import Used
from adavit.models.spectral_norm import spectral_norm
from adavit.runtime.precision import full_precision, without_autocast

EPSILON = 1e-5
"""Added to the mean squares."""

DECAY = 0.9
"""Part of a moving average that stays at each step."""


@dataclass(frozen=True)
class Moments:
    """What a convolution has given in a pass, before the normalisation.

    Attributes:
        means: E[x] over images and places, for each channel [C], with the graph of the pass.
        squares: E[x^2] likewise, without a graph.
    """

    means: Tensor
    squares: Tensor


@dataclass(frozen=True)
class ChainPass:
    """A training pass: which averages it goes by, and what is normalised in it.

    Attributes:
        side: Whose images it is of.
        gates: For each convolution, which of its channels are normalised in which image, bool [B, C].
        share: What this pass counts in the averages it goes by, 0-d, in (0, 1].
        moments: Of each convolution, of the first pass that was made so: any further one is compared with it.
    """

    side: Side
    gates: Sequence[Tensor]
    share: Tensor
    moments: list[Moments] = field(default_factory=list)

    def factors(self, layer: "ChainConv2d", output: Tensor) -> Tensor:
        """What the channels are multiplied by, [B, C], for outputs [B, C, H, W] in full precision."""
        square = output.square().mean(dim=(0, 2, 3))
        if len(self.moments) < len(self.gates):
            self.moments.append(Moments(output.mean(dim=(0, 2, 3)), square.detach()))
        average = torch.lerp(layer.squares[SIDES.index(self.side)], square, self.share)
        return torch.where(self.gates[layer.position], relative_size(average), 1.0)


@dataclass(frozen=True)
class ExpectedPass:
    """A pass outside of training: it draws nothing and remembers nothing, and takes what is expected for real images.

    Attributes:
        p: Part of the images in which a channel is normalised, 0-d.
    """

    p: Tensor

    def factors(self, layer: "ChainConv2d", output: Tensor) -> Tensor:
        """What the channels are multiplied by, [1, C]."""
        size = relative_size(layer.squares[SIDES.index("real")])
        return torch.lerp(torch.ones_like(size), size, self.p)[None]


def relative_size(squares: Tensor) -> Tensor:
    """min(psi) / psi, with psi = sqrt(E[x^2] + 1e-5), of mean squares [C]; in (0, 1]."""
    psi = (squares + EPSILON).sqrt()
    return psi.amin() / psi


class _Passing:
    """The pass that a network is in; its layers share it."""

    now: ChainPass | ExpectedPass | None = None


class ChainConv2d(EqualisedConv2d):
    """A convolution with weights of a fixed spectral norm and, before the activation, normalised channels.

    It draws what `EqualisedConv2d` draws, under the same names. That layer's constants other than He's (of the
    activation, `output_gain`) follow the normalisation.

    Args:
        sizes: As of that layer.
        options: Likewise.

    Attributes:
        norm: Of the weights: 1 + sqrt(O / I), which is what O x I numbers from N(0, 1 / I) have when O and I are large.
    """

    squares: Tensor
    position: int
    passing: _Passing

    def __init__(self, *sizes: int, **options: Any) -> None:
        super().__init__(*sizes, **options)
        out_channels, *fan_in = self.weight.shape
        self.norm = 1 + math.sqrt(out_channels / math.prod(fan_in))
        self.register_buffer("squares", torch.zeros(len(SIDES), out_channels))

    def uses(self) -> Iterable[Used]:
        """Nothing: what becomes of its weight is no constant."""
        return ()

    def forward(self, features: Tensor) -> Tensor:
        """Maps features [B, in_channels, H, W] to [B, out_channels, H, W], or half of H and W if downsampling."""
        assert self.passing.now is not None
        weight = self.weight * (self.norm / spectral_norm(self.weight))
        output = self.convolve(features, weight, self.bias)
        with without_autocast(output.device):
            factors = self.passing.now.factors(self, full_precision(output)) * self.output_gain
        return self.activate(output * factors.to(output.dtype)[:, :, None, None])


class Chain(nn.Module):
    """What the normalised convolutions of a network have in common: p, the passes, and when averages move.

    Args:
        network: Whose `ChainConv2d` are meant, in their order; each is passed once in a pass of the network.
    """

    p: Tensor
    updates: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        layers = [layer for layer in network.modules() if isinstance(layer, ChainConv2d)]
        self._layers = tuple(layers)  # which belong to the network, not here
        self._passing = _Passing()
        for position, layer in enumerate(layers):
            layer.position, layer.passing = position, self._passing

    def draw(self, batch: int, side: Side, generator: torch.Generator) -> ChainPass:
        """Draws a training pass.

        Args:
            batch: Number of images.
            side: Whose they are.
            generator: Source of the gates.
        """
        channels = [len(layer.weight) for layer in self._layers]
        shape = (batch, sum(channels))
        chances = torch.rand(shape, generator=generator, device=self.p.device)
        return ChainPass(side, (chances < self.p).split(channels, dim=1), self._share())

    @contextmanager
    def during(self, chain_pass: ChainPass | None) -> Iterator[None]:
        """While entered, the convolutions are in this pass; None: in one outside of training."""
        self._passing.now = ExpectedPass(self.p) if chain_pass is None else chain_pass
        try:
            yield
        finally:
            self._passing.now = None

    @torch.no_grad()
    def remember(self, squares: Mapping[Side, Sequence[Tensor]], made: Tensor) -> None:
        """Moves the averages after a step.

        Args:
            squares: E[x^2] over the batch, for each side and convolution [C].
            made: Whether the step was made, bool 0-d; else they stay.
        """
        share = self._share()
        for number, side in enumerate(SIDES):
            for layer, square in zip(self._layers, squares[side], strict=True):
                average = layer.squares[number]
                average.copy_(torch.where(made, torch.lerp(average, square, share), average))
        self.updates += made

    def _share(self) -> Tensor:
        """The weight of the newest value. The first ones weigh what those before them would have."""
        return (1 - DECAY) / (1 - DECAY ** (self.updates + 1))


def measured_names(network: nn.Module) -> list[str]:
    """Names, in the state of a network, of p, of the count of updates and of the averages: what no loss has taught."""
    return [
        f"{prefix}.{name}"
        for prefix, part in network.named_modules()
        if isinstance(part, Chain | ChainConv2d)
        for name, _ in part.named_buffers(recurse=False)
    ]
