"""Noise that the generator adds to its features at each pixel (Karras et al. 2019, arXiv:1812.04948, section 3.2).

It is meant for detail that no latent has to hold. On few images it mostly ends as dither: single wrong pixels that the
network leaves in its pictures (`benchmarks/results/noise_inputs.md`).
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from adavit.models.prepared_weights import Used, prepared
from adavit.runtime.resolution import Resolution

PixelNoise = torch.Generator | Iterator[Tensor]
"""A stream that layers draw from in their turn, or what they would have drawn: [B, 1, H, W] of each."""

BOUND = 0.1
"""Largest strength of `BoundedNoise`; features have a standard deviation of about 1 before it is added."""


class LearnedNoise(nn.Module):
    """One image of noise for all channels, times a learned strength that begins at 0.

    Args:
        resolution: Of the features.
        gain: Factor on what is added, of the activation that follows.
    """

    fixed: Tensor

    def __init__(self, resolution: Resolution, gain: float = 1.0) -> None:
        super().__init__()
        self.resolution = resolution
        self.gain = gain
        self.strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("fixed", torch.randn(*resolution))

    def forward(self, batch: int, source: PixelNoise | None) -> Tensor:
        """The noise to add.

        Args:
            batch: Images B.
            source: Where it comes from; None for the fixed noise, the same for all images.

        Returns:
            [B, 1, H, W], with the fixed noise [1, 1, H, W].
        """
        strength = self.used_strength()
        if source is None:
            return self.fixed[None, None] * strength
        drawn = next(source) if isinstance(source, Iterator) else self.draw(batch, source)
        return drawn.to(strength.device) * strength

    def draw(self, batch: int, stream: torch.Generator) -> Tensor:
        """Standard normals [B, 1, H, W], on the stream's device."""
        shape = (batch, 1, *self.resolution)
        return torch.randn(shape, generator=stream, device=stream.device)

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.strength, self.gain, autocast=False)

    def used_strength(self) -> Tensor:
        """What the noise is multiplied by, 0-d."""
        return prepared(self.strength, self.gain)


class BoundedNoise(LearnedNoise):
    """The same with a strength s = b tanh(w / b), which stays within b = `BOUND`."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.strength, 1 / BOUND, autocast=False)

    def used_strength(self) -> Tensor:
        """Within (-`BOUND`, `BOUND`) before the gain, and near 0 the parameter itself."""
        return torch.tanh(prepared(self.strength, 1 / BOUND)) * (self.gain * BOUND)


NOISES: dict[str, type[LearnedNoise] | None] = {
    "none": None,
    "learned": LearnedNoise,
    "bounded": BoundedNoise,
}
"""What a layer adds, by the value of `generator.noise`."""
