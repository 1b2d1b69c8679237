"""Generated images with all that is needed to draw them again from latents nearby."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from adavit.models import Generator
from adavit.training.passes.streams import StepStreams, replay
from adavit.training.passes.style_mixing import StyleMixing


@dataclass(frozen=True)
class Drawing:
    """Images of latents.

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
