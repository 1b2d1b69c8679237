"""Which parts of frozen networks a critic looks at, and of torchvision's networks as data.

Strides are those of Projected GAN (Sauer et al. 2021, arXiv:2111.01007, section 3.2), 4 to 32, where a network has
such.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

FINEST_STRIDE, COARSEST_STRIDE = 4, 32
LOGIT_KERNEL = 4
"""Side of the convolution that gives the logits of a head; the smallest map that it can judge."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Tap:
    """A part of a network whose output is looked at.

    Attributes:
        module: Its name in the network.
        channels: Of the output.
        stride: Pixels of the input per pixel of the output. None: one vector of the whole image.
        lost: Pixels that it lacks at most to the side of the images over the stride, for want of padding.
    """

    module: str
    channels: int
    stride: int | None
    lost: int = 0


@dataclass(frozen=True)
class Architecture:
    """What is known of a network before it is built.

    Attributes:
        taps: Its maps, from fine to coarse, or from the first block to the last.
        patch: Side in pixels of the patches of a transformer, which is built for one side of images, a multiple
            of it. None: a convolutional network.
        class_token: A transformer's vector of the whole image, where it has one.
        mean: Red, green and blue that are 0 to it, in [0, 1].
        std: What is 1 to it.
        file: Name of its published weights, where they are known without its library.
    """

    taps: tuple[Tap, ...]
    patch: int | None = None
    class_token: Tap | None = None
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    file: str | None = None

    def maps(self, side: int, *, smallest: int) -> tuple[Tap, ...]:
        """Those of at least `smallest` pixels a side, for images of `side` pixels."""
        return tuple(tap for tap in self.taps if side >= (smallest + tap.lost) * (tap.stride or 0))

    def chosen(self, taps: Sequence[Tap], count: int) -> tuple[Tap, ...]:
        """`count` of some of its maps: the finest, or evenly spread ones to the last where all are of one size."""
        if self.patch is None:
            return tuple(taps[:count])
        return tuple(taps[-1 :: -(len(taps) // count)][:count][::-1])

    def wanted(self, name: str, side: int, count: int) -> tuple[Tap, ...]:
        """`count` of its maps that heads can judge, see `chosen`.

        Args:
            name: Its own, for messages.
            side: Of the images, in pixels.
            count: How many.

        Raises:
            ValueError: If images of this side do not suit it, or are too small for so many maps.
        """
        if self.patch is not None and side % self.patch:
            multiple = self.patch * max(LOGIT_KERNEL, round(side / self.patch))
            raise ValueError(
                f"features.side is {side}, but must be a multiple of the {self.patch} px of"
                f" {name}'s patches. Use {multiple}, or leave it out."
            )
        taps = self.maps(side, smallest=LOGIT_KERNEL)
        if len(taps) < count:
            raise ValueError(
                f"features.maps is {count}, but of images of {side} px {name} has {len(taps)} maps"
                f" of at least {LOGIT_KERNEL}x{LOGIT_KERNEL} places. Give a larger features.side, or"
                " fewer maps."
            )
        return self.chosen(taps, count)


def patch_of(requested: str) -> int:
    """Side of the patches of a network, as far as its name tells; 1 for one without.

    Args:
        requested: "LIBRARY:NAME" or "LIBRARY:NAME:FILE".
    """
    library, _, rest = requested.partition(":")
    name = rest.partition(":")[0]
    if library == "torchvision":
        known = ARCHITECTURES.get(name)
        return 1 if known is None or known.patch is None else known.patch
    told = re.search(r"patch(\d+)", name)
    return 1 if told is None else int(told[1])


def _convolutional(
    file: str, *rows: tuple[str, int, int] | tuple[str, int, int, int]
) -> Architecture:
    return Architecture(tuple(Tap(*row) for row in rows), file=file)


ARCHITECTURES = {
    "squeezenet1_0": _convolutional(
        "squeezenet1_0-b66bff10.pth",
        *(("features.5", 256, 4, 2), ("features.10", 512, 8, 1), ("features.12", 512, 16, 1)),
    ),
    "squeezenet1_1": _convolutional(
        "squeezenet1_1-b8a52dc0.pth",
        *(("features.4", 128, 4, 1), ("features.7", 256, 8, 1), ("features.12", 512, 16, 1)),
    ),
    "mobilenet_v3_small": _convolutional(
        "mobilenet_v3_small-047dcff4.pth",
        *(("features.1", 16, 4), ("features.3", 24, 8)),
        *(("features.8", 48, 16), ("features.11", 96, 32)),
    ),
    "mobilenet_v3_large": _convolutional(
        "mobilenet_v3_large-5c1a4163.pth",
        *(("features.3", 24, 4), ("features.6", 40, 8)),
        *(("features.12", 112, 16), ("features.15", 160, 32)),
    ),
    "efficientnet_b0": _convolutional(
        "efficientnet_b0_rwightman-7f5810bc.pth",
        *(("features.2", 24, 4), ("features.3", 40, 8)),
        *(("features.5", 112, 16), ("features.7", 320, 32)),
    ),
    "resnet18": _convolutional(
        "resnet18-f37072fd.pth",
        *(("layer1", 64, 4), ("layer2", 128, 8), ("layer3", 256, 16), ("layer4", 512, 32)),
    ),
    "resnet50": _convolutional(
        "resnet50-11ad3fa6.pth",
        *(("layer1", 256, 4), ("layer2", 512, 8), ("layer3", 1024, 16), ("layer4", 2048, 32)),
    ),
    "vit_b_16": Architecture(
        tuple(Tap(f"encoder.layers.encoder_layer_{k}", 768, 16) for k in (2, 5, 8, 11)),
        patch=16,
        class_token=Tap("encoder.ln", 768, None),
        file="vit_b_16-c867db91.pth",
    ),
}
"""What `--features torchvision:NAME` knows."""

_PUBLISHED_BLOCKS = {24: (4, 10, 16, 23)}
"""Of DINOv2 L/14, which are not evenly spread."""


def blocks_of(depth: int) -> tuple[int, ...]:
    """The four blocks that are looked at in a transformer of `depth`: 2, 5, 8 and 11 of twelve."""
    even = tuple(depth * quarter // 4 - 1 for quarter in (1, 2, 3, 4))
    return _PUBLISHED_BLOCKS.get(depth, even)
