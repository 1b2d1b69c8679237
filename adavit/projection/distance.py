"""How far apart images look: squared differences of maps, of frozen networks and of pixels.

Maps of networks have unit length at each place and are averaged over the places, as LPIPS has it (Zhang et al. 2018,
arXiv:1801.03924, equation 1) without its learned weights of channels.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from adavit.features.background import on_background
from adavit.features.network import FrozenNetwork
from adavit.metrics.extractors.extractor import FloatExtractor, tensors_digest
from adavit.models import ResNetDiscriminator, ViTDiscriminator
from adavit.runtime.resolution import Resolution

_EPSILON = 1e-10
"""As in LPIPS: under the length of the features at a place."""


class Maps(Protocol):
    """Interface of what images are compared by.

    Attributes:
        name: For a person.
        identity: Name and digest of the network trained on other images that they are of, as records hold them; None
            where they are of none.
    """

    @property
    def name(self) -> str:
        """See above."""

    @property
    def identity(self) -> str | None:
        """See above."""

    def of(self, images: Tensor) -> list[Tensor]:
        """Maps [B, F, h, w] of images [B, C, R, R] in [-1, 1]; differentiable, each image by itself."""

    def described(self) -> dict[str, Any]:
        """What it is, for a record."""


class NetworkMaps:
    """Maps of a frozen network trained on other images; transparent ones are seen on grey.

    Args:
        network: On the device of the images.
        identity: Name and digest, as records hold them.
    """

    def __init__(self, network: FrozenNetwork, identity: str) -> None:
        self.network = network
        self.identity = identity
        self.name = identity.partition(" ")[0]

    def of(self, images: Tensor) -> list[Tensor]:
        """See `Maps`."""
        return [unit_length(features) for features in self.network(on_background(images, None))]

    def described(self) -> dict[str, Any]:
        """See `Maps`."""
        return {
            "network": self.identity,
            "side": self.network.side,
            "maps": [tap.module for tap in self.network.taps],
            "mean": [round(each, 6) for each in self.network.mean.flatten().tolist()],
            "std": [round(each, 6) for each in self.network.std.flatten().tolist()],
        }


class LpipsMaps:
    """Features whose squared distance is LPIPS, its learned weights among them; transparent images are seen on grey.

    Args:
        extractor: The one called `NAME`.
        digest: Of its weights.
    """

    NAME = "lpips-vgg16"
    name = NAME

    def __init__(self, extractor: FloatExtractor, digest: str) -> None:
        self._extractor = extractor
        self.identity = f"{self.NAME} {digest}"

    def of(self, images: Tensor) -> list[Tensor]:
        """See `Maps`."""
        return [self._extractor.with_gradients(on_background(images, None))[:, :, None, None]]

    def described(self) -> dict[str, Any]:
        """See `Maps`."""
        return {"network": self.identity, "maps": ["LPIPS"]}


class DiscriminatorMaps:
    """Maps between the blocks of the discriminator of a run.

    Args:
        discriminator: In evaluation mode, without gradients, on the device of the images.
    """

    name = "the discriminator"
    identity = None

    def __init__(self, discriminator: ResNetDiscriminator | ViTDiscriminator) -> None:
        self.discriminator = discriminator
        self.digest = tensors_digest(discriminator.state_dict())

    def of(self, images: Tensor) -> list[Tensor]:
        """See `Maps`."""
        found: list[Tensor] = []

        def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            found.append(output)

        handles = [part.register_forward_hook(keep) for part in self._parts()]
        # Which class is compared with the image comes behind all the blocks.
        labels = None
        if self.discriminator.num_classes:
            labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        try:
            self.discriminator(images, labels)
        finally:
            for handle in handles:
                handle.remove()
        return [unit_length(self._map(output)) for output in found]

    def described(self) -> dict[str, Any]:
        """See `Maps`."""
        return {"network": f"{self.name} {self.digest}", "maps": len(self._parts())}

    def _parts(self) -> list[nn.Module]:
        network = self.discriminator
        if isinstance(network, ResNetDiscriminator):
            return [network.from_image, *network.blocks]
        encoder = network.encoder
        # The last block leaves out the tokens that are not read.
        return [encoder.position, *encoder.blocks][: None if network.readout.patches else -1]

    def _map(self, output: Tensor) -> Tensor:
        if isinstance(self.discriminator, ResNetDiscriminator):
            return output
        layout = self.discriminator.encoder.layout
        patches = output[:, layout.class_tokens : layout.class_tokens + layout.patches]
        return patches.transpose(1, 2).unflatten(2, (layout.rows, layout.columns))


class PixelMaps:
    """Colours times alpha, and alpha, of the images and of their means over 2x2, 4x4, ... pixels.

    The distance is the mean square of the differences, mean over the sizes down to the smallest grid of the resolution.

    Args:
        weight: Factor on it.
    """

    name = "pixels"
    identity = None

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = weight

    def of(self, images: Tensor) -> list[Tensor]:
        """See `Maps`."""
        colours = on_background(images, None)
        level = torch.cat([colours, images[:, 3:]], dim=1) * (self.weight / images.shape[1]) ** 0.5
        levels = [level]
        for _ in range(Resolution(*images.shape[-2:]).doublings):
            levels.append(F.avg_pool2d(levels[-1], 2))
        return [level / len(levels) ** 0.5 for level in levels]

    def described(self) -> dict[str, Any]:
        """See `Maps`."""
        return {"network": None, "maps": [self.name], "weight": self.weight}


class Distance:
    """How far apart images look, by one or several kinds of maps.

    Args:
        kinds: Their distances are added.
    """

    def __init__(self, kinds: Sequence[Maps]) -> None:
        self.kinds = tuple(kinds)

    @property
    def networks(self) -> tuple[str, ...]:
        """Name and digest of each network trained on other images that has a part in it."""
        return tuple(kind.identity for kind in self.kinds if kind.identity is not None)

    def of(self, images: Tensor) -> list[Tensor]:
        """All that images [B, C, R, R] are compared by."""
        return [found for kind in self.kinds for found in kind.of(images)]

    def described(self) -> list[dict[str, Any]]:
        """What it consists of, for a record."""
        return [kind.described() for kind in self.kinds]

    def between(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Distances [B], >= 0, of images [B, C, R, R] in [-1, 1] to those that the maps are of, one by one."""
        pairs = zip(self.of(images), maps, strict=True)
        each = [(one - other).square().sum(dim=1).mean(dim=(1, 2)) for one, other in pairs]
        return torch.stack(each).sum(dim=0)


def unit_length(features: Tensor) -> Tensor:
    """Features [B, F, h, w] over their length at each place."""
    return features / (features.square().sum(dim=1, keepdim=True) + _EPSILON).sqrt()
