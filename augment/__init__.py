"""Augmentation for training GANs on few images: images in, images out.

The pipeline of Karras et al. 2020, "Training Generative Adversarial Networks with Limited Data"
(arXiv:2006.06676), written anew from the paper: exact, differentiable any number of times, without waiting of
the host for the device, and with the rule that adapts its probability. It knows nothing of the rest of the
toolkit and can be used by itself:

    from adavit.augment import AdaptiveProbability, make_pipe

    pipe = make_pipe("bgc")
    probability = AdaptiveProbability(target=0.6)
    ...
    pipe.p.fill_(probability.p)
    logits = discriminator(pipe(images))
    probability.update(train=logits, generated=generated_logits, images=len(images))

Both halves of a call are open: `parameters = pipe.sample(images.shape)` and `pipe.transform(images, parameters)`.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = [
    "PRESETS",
    "AdaptiveProbability",
    "AugmentPipe",
    "Blitting",
    "Color",
    "Cutout",
    "DiffAugment",
    "Diffusion",
    "Filtering",
    "FixedProbability",
    "Geometric",
    "Noise",
    "OverfittingStatistics",
    "Pipe",
    "Probability",
    "ScheduledProbability",
    "make_pipe",
]

if TYPE_CHECKING:
    from adavit.augment.adaptive import (
        AdaptiveProbability,
        FixedProbability,
        Probability,
        ScheduledProbability,
    )
    from adavit.augment.blitting import Blitting
    from adavit.augment.by_name import make_pipe
    from adavit.augment.color import Color
    from adavit.augment.cutout import Cutout
    from adavit.augment.diffaug import DiffAugment
    from adavit.augment.diffusion import Diffusion
    from adavit.augment.filtering import Filtering
    from adavit.augment.geometric import Geometric
    from adavit.augment.noise import Noise
    from adavit.augment.pipe import Pipe
    from adavit.augment.pipeline import AugmentPipe
    from adavit.augment.presets import PRESETS
    from adavit.augment.statistics import OverfittingStatistics
else:
    _HOMES = {
        "AdaptiveProbability": "adavit.augment.adaptive",
        "FixedProbability": "adavit.augment.adaptive",
        "Probability": "adavit.augment.adaptive",
        "ScheduledProbability": "adavit.augment.adaptive",
        "Blitting": "adavit.augment.blitting",
        "Color": "adavit.augment.color",
        "Cutout": "adavit.augment.cutout",
        "DiffAugment": "adavit.augment.diffaug",
        "Diffusion": "adavit.augment.diffusion",
        "Filtering": "adavit.augment.filtering",
        "Geometric": "adavit.augment.geometric",
        "Noise": "adavit.augment.noise",
        "Pipe": "adavit.augment.pipe",
        "AugmentPipe": "adavit.augment.pipeline",
        "PRESETS": "adavit.augment.presets",
        "make_pipe": "adavit.augment.by_name",
        "OverfittingStatistics": "adavit.augment.statistics",
    }

    def __getattr__(name: str) -> Any:
        """Imports a public name when it is used: names of presets are wanted without torch."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module(_HOMES[name]), name)

    def __dir__() -> list[str]:
        """The public names, imported or not, and what every module has."""
        return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
