"""A frozen network of torchvision, cut off behind its last tap: images to maps of features."""

import warnings
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.architectures import ARCHITECTURES, Tap

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FrozenNetwork(nn.Module):
    """Maps of features of a network that is never trained: in evaluation mode, without gradients to its weights.

    Images are brought to the network's side bilinearly (antialiased where they are larger), grey is
    repeated, and each channel is normalised as the network was trained to see it.

    Args:
        architecture: One of `ARCHITECTURES`.
        side: Of the images that the network sees, in pixels.
        taps: Which of its maps, of the architecture's taps.
        mean: Of its red, green and blue, for pixels in [0, 1].
        std: Their standard deviations.

    Attributes:
        expected: Names and shapes of the weights of the whole network, without their values.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        architecture: str,
        *,
        side: int,
        taps: Sequence[Tap],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        # Runs without such a network do not wait for its library.
        from torchvision.models.feature_extraction import create_feature_extractor

        super().__init__()
        self.architecture = architecture
        self.side = side
        self.taps = tuple(taps)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1))
        names = {tap.module: str(index) for index, tap in enumerate(self.taps)}
        whole = _build(architecture, side)
        self.expected = {name: value.to("meta") for name, value in whole.state_dict().items()}
        self.network = create_feature_extractor(whole, names)
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "FrozenNetwork":
        """Stays in evaluation mode, whatever the networks around it do."""
        return super().train(False)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes over the weights of the whole network; those behind the last tap are left out.

        Args:
            state: By the names of torchvision, with the embeddings of any side.
        """
        if ARCHITECTURES[self.architecture].tokens:
            from torchvision.models.vision_transformer import interpolate_embeddings

            state = interpolate_embeddings(self.side, 16, dict(state))
        own = self.network.state_dict()
        self.network.load_state_dict({name: state[name] for name in own})

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps of features.

        Args:
            images: [B, C, H, W], C in 1, 3, in [-1, 1]. Not modified.

        Returns:
            One map [B, channels, h, w] for each tap.
        """
        side = self.side
        if images.shape[-2:] != (side, side):
            images = F.interpolate(
                images,
                size=(side, side),
                mode="bilinear",
                align_corners=False,
                antialias=images.shape[-1] > side,
            )
        normalised = ((images + 1) / 2 - self.mean) / self.std  # [B, 3, side, side], grey repeated
        outputs = self.network(normalised)
        return [_as_map(outputs[str(index)]) for index in range(len(self.taps))]


def _build(architecture: str, side: int) -> nn.Module:
    """The network with weights that nothing depends on: random, from a stream of their own."""
    from torchvision.models import get_model_builder

    arguments = {"image_size": side} if ARCHITECTURES[architecture].tokens else {}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # on weights that are random, which they do not stay
        torch.manual_seed(0)
        network: nn.Module = get_model_builder(architecture)(weights=None, **arguments)
    return network.eval()


def _as_map(output: Tensor) -> Tensor:
    if output.ndim == 4:
        return output
    batch, tokens, channels = output.shape
    side = round((tokens - 1) ** 0.5)
    return output[:, 1:].transpose(1, 2).reshape(batch, channels, side, side)
