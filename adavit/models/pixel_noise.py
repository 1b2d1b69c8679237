"""Noise that the generator adds to its features at each pixel (Karras et al. 2019, arXiv:1812.04948, section 3.2).

It is meant for detail that no latent has to hold. On 2,000 photographs whether pictures are better with it could not be
told; one noise for all of them scored worse than noise drawn for each (`benchmarks/results/noise_inputs.md`).
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from adavit.models.prepared_weights import Used, prepared
from adavit.runtime.resolution import Resolution

PixelNoise = torch.Generator | Tensor
"""A stream that the noise of all layers is drawn from, or that noise, standard normal: [B, pixels of all layers]."""

BOUND = 0.1
"""Largest strength of `BoundedNoise`; features have a standard deviation of about 1 before it is added."""


class LearnedNoise(nn.Module):
    """One image of noise for all channels, times a learned strength that begins at 0; `added_noise` computes it.

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

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.strength, self.gain, autocast=False)

    def used_strength(self) -> Tensor:
        """What the noise is multiplied by, 0-d."""
        return prepared(self.strength, self.gain)

    @staticmethod
    def strength_of(parameter: Tensor) -> Tensor:
        """The strength that a parameter stands for, before the gain."""
        return parameter

    @staticmethod
    def parameter_of(strength: Tensor) -> Tensor:
        """The parameter that stands for a strength; not finite where none does."""
        return strength


class BoundedNoise(LearnedNoise):
    """The same with a strength s = b tanh(w / b), which stays within b = `BOUND`."""

    def uses(self) -> Iterable[Used]:
        """See `Prepared`."""
        yield Used(self.strength, 1 / BOUND, autocast=False)

    def used_strength(self) -> Tensor:
        """Within (-`BOUND`, `BOUND`) before the gain, and near 0 the parameter itself."""
        return torch.tanh(prepared(self.strength, 1 / BOUND)) * (self.gain * BOUND)

    @staticmethod
    def strength_of(parameter: Tensor) -> Tensor:
        """See `LearnedNoise`."""
        return torch.tanh(parameter / BOUND) * BOUND

    @staticmethod
    def parameter_of(strength: Tensor) -> Tensor:
        """See `LearnedNoise`."""
        return torch.atanh(strength / BOUND) * BOUND


def drawn_noise(layers: Sequence[LearnedNoise], batch: int, stream: torch.Generator) -> Tensor:
    """Standard normals for all layers, drawn at once on the stream's device.

    Args:
        layers: In their order.
        batch: Images B.
        stream: Draws them.

    Returns:
        [B, pixels of all layers].
    """
    pixels = sum(layer.resolution.area for layer in layers)
    return torch.randn(batch, pixels, generator=stream, device=stream.device)


def added_noise(
    layers: Sequence[LearnedNoise], batch: int, noise: PixelNoise | None, dtype: torch.dtype
) -> list[Tensor]:
    """What is added to the features of each layer, computed for all at once.

    Args:
        layers: In their order, at least one.
        batch: Images B.
        noise: Where it comes from; None for the fixed noise, the same for all images.
        dtype: Of the result.

    Returns:
        [B, 1, H, W] of each layer, with the fixed noise [1, 1, H, W].
    """
    areas = [layer.resolution.area for layer in layers]
    each = [layer.used_strength().expand(area) for layer, area in zip(layers, areas, strict=True)]
    strengths = torch.cat(each)
    if noise is None:
        noise = torch.cat([layer.fixed.flatten() for layer in layers])[None]
    elif not isinstance(noise, Tensor):
        noise = drawn_noise(layers, batch, noise)
    parts = (noise.to(strengths.device) * strengths).to(dtype).split(areas, dim=1)
    grids = [layer.resolution for layer in layers]
    return [part.view(-1, 1, *grid) for part, grid in zip(parts, grids, strict=True)]


NOISES: dict[str, type[LearnedNoise] | None] = {
    "none": None,
    "learned": LearnedNoise,
    "bounded": BoundedNoise,
}
"""What a layer adds, by the value of `generator.noise`."""
