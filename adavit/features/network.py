"""A frozen network trained on other images: images to maps of features."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.architectures import IMAGENET_MEAN, IMAGENET_STD, Tap
from adavit.features.library import Library
from adavit.features.torchvision_networks import Torchvision
from adavit.features.weights import Weights


class FrozenNetwork(nn.Module):
    """Maps of features of a network that is never trained: in evaluation mode, without gradients to its weights.

    Images are brought to the size that the network sees bilinearly (antialiased where they are larger), grey is
    repeated, and each channel is normalised as the network was trained to see it. Images of another shape are
    stretched, as metrics stretch them: nothing of them is left out, and a map has as many places either way.

    Args:
        architecture: Its name in the library.
        side: Of the images that the network sees, in pixels; a pair is height and width.
        taps: Which of its outputs.
        mean: Of its red, green and blue, for pixels in [0, 1].
        std: Their standard deviations.
        library: Where it is from. None: torchvision.
        weights: None: random ones, from a stream of their own.

    Raises:
        UserError: If the weights are not those of the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        *,
        side: int | tuple[int, int],
        taps: Sequence[Tap],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        library: Library | None = None,
        weights: Weights | None = None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.side = side
        self.size = (side, side) if isinstance(side, int) else side
        self.taps = tuple(taps)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1))
        library = library or Torchvision()
        self.network = library.build(architecture, side=side, taps=self.taps, weights=weights)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "FrozenNetwork":
        """Stays in evaluation mode, whatever the networks around it do."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of features.

        Args:
            images: [B, C, H, W], C in 1, 3, in [-1, 1]. Not modified.

        Returns:
            One map [B, channels, h, w] for each tap; of one pixel for a vector of the whole image.
        """
        maps: list[Tensor] = self.network(self.normalised(images))
        return maps

    def normalised(self, images: Tensor) -> Tensor:
        """Images [B, C, H, W] as the network itself takes them: [B, 3, *size]."""
        given = tuple(images.shape[-2:])
        if given != self.size:
            images = F.interpolate(
                images,
                size=self.size,
                mode="bilinear",
                align_corners=False,
                antialias=any(now > then for now, then in zip(given, self.size, strict=True)),
            )
        colours: Tensor = ((images + 1) / 2 - self.mean) / self.std  # grey repeated
        return colours
