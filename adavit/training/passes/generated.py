"""Generated images of a step: their styles mixed, and drawn again from latents nearby with the same noise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.training.passes.streams import StepStreams, replay


class StyleMixing:
    """Some images take the styles of their later layers from second latents: draws which, and from which layer on.

    Karras et al. 2019 (arXiv:1812.04948, section 3.1).

    Args:
        probability: Part of the images that are mixed, in [0, 1]; 0.9 in the paper, 0 for none.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(
        self, generator: Generator, styles: Tensor, labels: Tensor | None, stream: torch.Generator
    ) -> Tensor:
        """Mixes styles with those of second latents.

        Args:
            generator: Maps the second latents.
            styles: w of the first latents [B, W].
            labels: Class of each image [B], or None.
            stream: Source of the second latents, the gates and the layers.

        Returns:
            Styles of each layer [B, L, W]: of a mixed image the first 1 to L - 1 are its own.
        """
        batch, layers = len(styles), generator.synthesis.style_count
        second = generator.mapping(
            torch.randn(batch, generator.latent_dim, generator=stream, device=stream.device), labels
        )
        chance = torch.rand(2, batch, generator=stream, device=stream.device)
        first_mixed = 1 + (chance[0] * (layers - 1)).long()
        first_mixed = first_mixed.masked_fill(chance[1] >= self.probability, layers)
        is_second = torch.arange(layers, device=styles.device) >= first_mixed[:, None]  # [B, L]
        return torch.where(is_second[:, :, None], second[:, None], styles[:, None])


@dataclass(frozen=True)
class Drawing:
    """Generated images, their styles, and a way to draw images of other latents with the same noise.

    Attributes:
        images: G(z) [B, C, H, W], float32.
        styles: w of the latents [B, W], before mixing.
        redraw: From other latents [B, Z] to images, with the same noise of each pixel and the same mixing.
    """

    images: Tensor
    styles: Tensor
    redraw: Callable[[Tensor], Tensor]


def draw(
    generator: Generator,
    latents: Tensor,
    labels: Tensor | None,
    *,
    mixing: StyleMixing | None,
    streams: StepStreams,
) -> Drawing:
    """Draws images, in the precision of the context.

    Args:
        generator: The network.
        latents: z [B, Z].
        labels: Class of each image [B], or None.
        mixing: Mixes styles, or None.
        streams: Noise comes from its latents, mixing from a stream of its own.
    """
    noise, noise_state = streams.latents, streams.latents.get_state()
    mixer = None if mixing is None else streams.of("style mixing")
    mixer_state = None if mixer is None else mixer.get_state()

    def images_of(styles: Tensor, noise: torch.Generator, mixer: torch.Generator | None) -> Tensor:
        if mixing is not None and mixer is not None:
            styles = mixing(generator, styles, labels, mixer)
        images: Tensor = generator.synthesis(styles, noise=noise)
        return images

    def redraw(near: Tensor) -> Tensor:
        again = None if mixer is None or mixer_state is None else replay(mixer, mixer_state)
        return images_of(generator.mapping(near, labels), replay(noise, noise_state), again)

    styles = generator.mapping(latents, labels)
    return Drawing(images_of(styles, noise, mixer), styles, redraw)
