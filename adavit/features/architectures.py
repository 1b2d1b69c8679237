"""Which parts of torchvision's networks a critic looks at, as data.

Strides are those of Projected GAN (Sauer et al. 2021, arXiv:2111.01007, section 3.2), 4 to 32, where a network has
such.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tap:
    """A part of a network whose output is looked at.

    Attributes:
        module: Its name in the network.
        channels: Of the output.
        stride: Pixels of the input per pixel of the output.
    """

    module: str
    channels: int
    stride: int


@dataclass(frozen=True)
class Architecture:
    """A network of torchvision.

    Attributes:
        taps: From fine to coarse, or from the first block to the last.
        tokens: Whether outputs are tokens [B, 1 + H W, C] with a class token first, and the network is
            built for one side of images.
    """

    taps: tuple[Tap, ...]
    tokens: bool = False

    def at(self, side: int) -> tuple[Tap, ...]:
        """Those whose output has at least `SMALLEST_MAP` pixels a side, for images of `side` pixels."""
        return tuple(tap for tap in self.taps if side >= SMALLEST_MAP * tap.stride)


SMALLEST_MAP = 4
"""Side of the last convolution of a head."""


def _taps(*rows: tuple[str, int, int]) -> tuple[Tap, ...]:
    return tuple(Tap(*row) for row in rows)


ARCHITECTURES = {
    "squeezenet1_0": Architecture(
        _taps(("features.5", 256, 4), ("features.10", 512, 8), ("features.12", 512, 16))
    ),
    "squeezenet1_1": Architecture(
        _taps(("features.4", 128, 4), ("features.7", 256, 8), ("features.12", 512, 16))
    ),
    "mobilenet_v3_small": Architecture(
        _taps(
            *(("features.1", 16, 4), ("features.3", 24, 8)),
            *(("features.8", 48, 16), ("features.11", 96, 32)),
        )
    ),
    "mobilenet_v3_large": Architecture(
        _taps(
            *(("features.3", 24, 4), ("features.6", 40, 8)),
            *(("features.12", 112, 16), ("features.15", 160, 32)),
        )
    ),
    "efficientnet_b0": Architecture(
        _taps(
            *(("features.2", 24, 4), ("features.3", 40, 8)),
            *(("features.5", 112, 16), ("features.7", 320, 32)),
        )
    ),
    "resnet18": Architecture(
        _taps(("layer1", 64, 4), ("layer2", 128, 8), ("layer3", 256, 16), ("layer4", 512, 32))
    ),
    "resnet50": Architecture(
        _taps(("layer1", 256, 4), ("layer2", 512, 8), ("layer3", 1024, 16), ("layer4", 2048, 32))
    ),
    "vit_b_16": Architecture(
        tuple(Tap(f"encoder.layers.encoder_layer_{k}", 768, 16) for k in (2, 5, 8, 11)),
        tokens=True,
    ),
}
"""What `--features torchvision:NAME` knows."""
