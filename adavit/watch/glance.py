"""A glance at a discriminator in training, for its log."""

import torch
from torch import Tensor, nn

from adavit.models import ViTDiscriminator
from adavit.watch.alarms import Alarm, attention_alarms, losing_alarm
from adavit.watch.capture import observe
from adavit.watch.figures import CollapseObserver, images_at_a_time

WATCHED_IMAGES = 16
"""Training images that are looked at: one pass over so few costs less than one training step."""


def training_alarms(discriminator: nn.Module, images: Tensor, *, r_relative: float) -> list[Alarm]:
    """The alarms of `adavit inspect` that need no more than a pass over a few images.

    Draws nothing and changes nothing, so a run has the same bits with and without it.

    Args:
        discriminator: In training; one without attention has no attention that could collapse.
        images: A few training images [B, C, H, W] in [-1, 1], not augmented.
        r_relative: E[sign(D(x) - D(G(z)))] since the last report, or nan.
    """
    found = losing_alarm(r_relative)
    if isinstance(discriminator, ViTDiscriminator):
        seen = CollapseObserver()
        with torch.autocast(images.device.type, enabled=False):
            for part in images.split(images_at_a_time(discriminator)):
                observe(discriminator, part, seen)
        found += attention_alarms(seen.attention_figures(), seen.token_figures())
    return found
