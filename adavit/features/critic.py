"""A critic that sees images through a frozen network: small trained heads on its maps."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from adavit.features.architectures import LOGIT_KERNEL
from adavit.features.heads import Head, PatchHead, PlacesJudged, TokenHead
from adavit.features.mixing import MIXINGS
from adavit.features.network import FrozenNetwork
from adavit.models.names import part

_LEAST_STD = 0.1
"""Of a channel, as a part of the root mean square over the channels of its map: else one that no training image
excites is enlarged a thousandfold where a generated image does, and the generator learns of little else."""
_EPSILON = 1e-6


class FeatureCritic(nn.Module):
    """Images to logits of their places, from each map of a frozen network.

    Maps are standardised for each channel by what `calibrate` has seen, mixed, and judged by one head each; a class
    token is one place, and is not mixed.
    The network sees images as squares of its side, stretched where they are none; so places are as many along both
    sides, and each covers the same part of an image, of its proportions.
    Only the heads are trained; what is random and frozen, and the standardisation, are part of its state.

    Args:
        network: Frozen.
        mixing: What is done to the maps before, one of `MIXINGS`.
        width: Channels within the heads.
        normalization: none or batch, within heads on maps.
        minibatch_std_group: Images over which heads on maps take the standard deviation; 0 leaves it out.
        num_classes: Number of classes, 0 for none.

    Raises:
        ValueError: If a map is smaller than a head can judge, or there is no such mixing or normalisation.
    """

    def __init__(
        self,
        network: FrozenNetwork,
        *,
        mixing: str,
        width: int,
        normalization: str,
        minibatch_std_group: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.frozen = (network,)  # in a tuple: its weights are a file's, and no part of the state
        sides = [features.shape[-1] for features in _maps_of_nothing(network)]
        channels = [tap.channels for tap in network.taps]
        for tap, side in zip(network.taps, sides, strict=True):
            if tap.stride is not None and side < LOGIT_KERNEL:
                raise ValueError(
                    f"{tap.module} of {network.architecture} has {side}x{side} features of images of"
                    f" {network.side} px, expected at least {LOGIT_KERNEL}x{LOGIT_KERNEL}. Give a"
                    " larger features.side, or fewer features.maps."
                )
        for index, count in enumerate(channels):
            self.register_buffer(f"mean{index}", torch.zeros(1, count, 1, 1))
            self.register_buffer(f"std{index}", torch.ones(1, count, 1, 1))
        kind = part(MIXINGS, "mixing", mixing)
        self.mixed = sum(tap.stride is not None for tap in network.taps)  # what follows is a token
        self.mixing = None if kind is None else kind(channels[: self.mixed])
        if self.mixing is not None:
            channels[: self.mixed] = self.mixing.channels
        self.heads = nn.ModuleList(
            TokenHead(count, num_classes=num_classes)
            if tap.stride is None
            else PatchHead(
                count,
                side,
                width=width,
                normalization=normalization,
                minibatch_std_group=minibatch_std_group,
                num_classes=num_classes,
            )
            for tap, count, side in zip(network.taps, channels, sides, strict=True)
        )

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Tensor]) -> None:
        """Measures mean and standard deviation of each channel of each map.

        Channels that hardly vary are taken to vary a tenth as much as those of their map do on average.

        Args:
            batches: Of training images [B, C, H, W] in [-1, 1], one or more.
        """
        count = 0
        nothing = torch.zeros(())
        moments = [(nothing, nothing)] * len(self.heads)
        for images in batches:
            maps = [features.double() for features in self.frozen[0](images)]
            moments = [
                (
                    first + features.mean(dim=(2, 3)).sum(dim=0),
                    second + features.square().mean(dim=(2, 3)).sum(dim=0),
                )
                for (first, second), features in zip(moments, maps, strict=True)
            ]
            count += len(images)
        for index, (first, second) in enumerate(moments):
            mean, square = first / count, second / count
            std = (square - mean.square()).clamp_min(0).sqrt()
            std = std.clamp_min(_LEAST_STD * std.square().mean().sqrt()).clamp_min(_EPSILON)
            self.get_buffer(f"mean{index}").copy_(mean.reshape(1, -1, 1, 1))
            self.get_buffer(f"std{index}").copy_(std.reshape(1, -1, 1, 1))

    def maps(self, images: Tensor) -> list[Tensor]:
        """What the heads judge: the network's maps of images [B, C, H, W], standardised and mixed."""
        maps = [
            (features - self.get_buffer(f"mean{index}")) / self.get_buffer(f"std{index}")
            for index, features in enumerate(self.frozen[0](images))
        ]
        if self.mixing is None:
            return maps
        return [*self.mixing(maps[: self.mixed]), *maps[self.mixed :]]

    def judge(self, maps: list[Tensor], labels: Tensor | None) -> list[PlacesJudged]:
        """What each head says of `maps` and the classes [B] of their images."""
        pairs = zip(self.heads, maps, strict=True)
        return [cast(Head, head).judge(features, labels) for head, features in pairs]

    def forward(self, images: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """Logits [B, places] of each head, float32, of images [B, C, H, W] in [-1, 1]."""
        return [judged.logits for judged in self.judge(self.maps(images), labels)]

    def _apply(self, move: object, recurse: bool = True) -> "FeatureCritic":
        """Moves the frozen network too."""
        self.frozen[0]._apply(move)
        return super()._apply(move, recurse)


@torch.no_grad()
def _maps_of_nothing(network: FrozenNetwork) -> list[Tensor]:
    maps: list[Tensor] = network(torch.zeros(1, 3, *network.size))
    return maps
