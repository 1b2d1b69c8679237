"""Augmentation for training GANs on few images: images in, images out.

The pipeline of Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"
(arXiv:2006.06676), written anew from the paper: exact, differentiable any number of times, without waiting of
the host for the device, and with the rule that adapts its probability. It knows nothing of the rest of the
toolkit and can be used by itself:

    from augment import AdaptiveProbability, AugmentPipe

    pipe = AugmentPipe.preset("bgc")
    probability = AdaptiveProbability(target=0.6)
    ...
    logits = discriminator(pipe(images))
    probability.update(train=logits, generated=generated_logits, images=len(images))
    pipe.p.fill_(probability.p)

Both halves of a call are open: `parameters = pipe.sample(images.shape)` and `pipe.apply(images, parameters)`.
"""

from augment.adaptive import (
    AdaptiveProbability,
    FixedProbability,
    Probability,
    ScheduledProbability,
)
from augment.blitting import Blitting
from augment.color import Color
from augment.cutout import Cutout
from augment.diffaug import DiffAugment
from augment.filtering import Filtering
from augment.geometric import Geometric
from augment.noise import Noise
from augment.pipeline import AugmentPipe
from augment.presets import PRESETS
from augment.statistics import OverfittingStatistics

__all__ = [
    "PRESETS",
    "AdaptiveProbability",
    "AugmentPipe",
    "Blitting",
    "Color",
    "Cutout",
    "DiffAugment",
    "Filtering",
    "FixedProbability",
    "Geometric",
    "Noise",
    "OverfittingStatistics",
    "Probability",
    "ScheduledProbability",
]
