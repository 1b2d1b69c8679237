"""The `random` extractor: a fixed, seeded convolutional network that needs no weights file.

Filters that were never trained still tell textures, colours, edges and layouts apart, at four
scales (as the scattering transform of Bruna and Mallat 2013, arXiv:1203.1513, does with wavelets).
So its distances fall while a small generator learns, offline and in a second. They are not FID:
they know nothing of objects, and are called `fd_random`, `kid_random` everywhere.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from adavit.augment.devices import is_accelerator
from adavit.metrics.extractors.extractor import FloatExtractor, tensors_digest
from adavit.metrics.kinship import NOTHING

SEED = 20_201_006  # part of the definition: another seed is another yardstick
LEVEL_CHANNELS = (16, 24, 32, 32)  # at 1, 1/2, 1/4 and 1/8 of the size
# Bring the standard deviations of all features to 0.1 to 0.25 on CIFAR-10, so that no group of them
# decides the distance alone.
LEVEL_GAINS = (5.0, 8.0, 20.0, 50.0)
LAYOUT_GAIN = 1.0
LAYOUT_SIDE = 4  # the coarse layout is a 4 x 4 thumbnail
# Brightness, red - blue, green - magenta. On photographs the last two vary far less, and a wrong
# colour would go unseen.
OPPONENT_COLORS = ((1 / 3, 1 / 3, 1 / 3), (0.7, 0.0, -0.7), (-0.5, 1.0, -0.5))
SMALL_SIDE, LARGE_SIDE = 32, 64  # images of up to 32 px are seen at 32 px, larger ones at 64 px


def random_filters() -> list[Tensor]:
    """The filters of the network, the same bits on every machine.

    Returns:
        Per level filters [channels out, channels in, 3, 3], float32, uniform with the variance 1 /
        fan-in (for the absolute value keeps a signal's power: He et al. 2015, arXiv:1502.01852,
        without their factor 2). Those of the first level sum to zero over space, the others over
        space and channels: they see contrast, and the layout sees brightness.
    """
    # Integers from the generator of the CPU: normal numbers differ in their last bits between
    # vector instruction sets.
    generator = torch.Generator().manual_seed(SEED)
    filters = []
    channels_in = 3
    for level, channels_out in enumerate(LEVEL_CHANNELS):
        shape = (channels_out, channels_in, 3, 3)
        drawn = torch.randint(-(2**15), 2**15 + 1, shape, generator=generator)
        axes = (2, 3) if level == 0 else (1, 2, 3)
        summed = math.prod(shape[axis] for axis in axes)
        drawn = summed * drawn - drawn.sum(dim=axes, keepdim=True)  # zero mean, exactly
        power = 2**30 / 3 * summed * (summed - 1)  # variance of `summed` times a draw less its mean
        filters.append((drawn.double() / math.sqrt(9 * channels_in * power)).float())
        channels_in = channels_out
    return filters


class RandomFeatures(FloatExtractor):
    """Mean and spread of every filter's response at four scales, and a thumbnail: 256 features.

    Images may have any size from 1 px on; the features of one do not depend on the others.

    Args:
        device: Where the network runs.
    """

    name = "random"
    learned_from = NOTHING
    pixel_range = (-1.0, 1.0)
    features = 2 * sum(LEVEL_CHANNELS) + 3 * LAYOUT_SIDE**2
    resize = f"antialiased bilinear to {SMALL_SIDE} px, or {LARGE_SIDE} px where larger"

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        self.batch = 2000 if is_accelerator(self.device) else 250
        filters = random_filters()
        self._opponents = torch.tensor(OPPONENT_COLORS, device=self.device)
        constants = torch.tensor([*LEVEL_GAINS, LAYOUT_GAIN, LAYOUT_SIDE, SMALL_SIDE, LARGE_SIDE])
        self.weights_digest = tensors_digest(
            {f"level{level}": weights for level, weights in enumerate(filters)}
            | {"opponents": self._opponents, "constants": constants}
        )
        self._filters = [f.to(self.device) for f in filters]

    def _extract(self, images: Tensor) -> Tensor:
        signal = torch.einsum("oc,bchw->bohw", self._opponents, images)
        side = SMALL_SIDE if max(images.shape[2:]) <= SMALL_SIDE else LARGE_SIDE
        if tuple(images.shape[2:]) != (side, side):
            signal = F.interpolate(
                signal, size=(side, side), mode="bilinear", antialias=True, align_corners=False
            )
        parts = [LAYOUT_GAIN * F.adaptive_avg_pool2d(signal, LAYOUT_SIDE).flatten(1)]  # [B, 3 * 16]
        for filters, gain in zip(self._filters, LEVEL_GAINS, strict=True):
            signal = F.conv2d(F.pad(signal, (1, 1, 1, 1), mode="reflect"), filters).abs()
            spread, mean = torch.std_mean(signal, dim=(2, 3), correction=0)  # [B, channels]
            parts += [gain * mean, gain * spread]
            signal = F.avg_pool2d(signal, 2)
        return torch.cat(parts, dim=1)
