"""Alarms on collapse and overfitting, with the same limits for `adavit inspect` and for the log of a run.

The limits are where something can no longer work, not where it might work better: a healthy run is silent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from adavit.models import ViTDiscriminator
from adavit.runtime.precision import without_autocast
from adavit.watch.capture import observe
from adavit.watch.figures import AttentionFigures, CollapseObserver, TokenFigures, images_at_a_time
from adavit.watch.logits import LogitFigures

LEAST_ENTROPY = 0.05
"""Of the largest possible. exp(0.05 log 65) is 1.2: of 64 patches and a class token a query sees little more
than one. That entropy goes to 0 before transformers diverge is Zhai et al. 2023 (arXiv:2303.06296)."""

LARGEST_LOGIT = 50.0
"""exp(-50) is 2e-22, far below what float32 keeps beside 1 (6e-8): softmax passes no gradient to the other
tokens. Growing logits precede divergence in Dehghani et al. 2023 (arXiv:2302.05442)."""

MOST_SIMILAR = 0.95
"""Mean cosine: 18 degrees between any two patches, so what tells them apart is a third of their length. The limit
of such a sequence is the rank collapse of Dong et al. 2021 (arXiv:2103.03404)."""

LOSING = -0.08
"""r_relative, 2 AUC - 1. About three standard errors below 0 for 1,000 images a side; fewer must lie further below."""

OVERFITTING = 0.5
"""r_v: the target that Karras et al. 2020 (arXiv:2006.06676, section 3) hold it at."""

STANDARD_ERRORS = 3.0
"""So many standard errors a figure must be off, lest few images look like a fault."""

_MORE = "Leave --data out, or raise --images."
_MORE_TRAINING = "Raise --images, where the run has more; else a run on more images can tell."
_MORE_HELD_OUT = "A run with a larger --val-fraction holds out more."


@dataclass(frozen=True)
class Alarm:
    """A warning about a run, under a name that stays the same while its figures move.

    Attributes:
        name: What and where, the same at each repetition.
        message: A sentence with the figure, and what to do.
    """

    name: str
    message: str


def attention_alarms(
    attention: Sequence[AttentionFigures], tokens: Sequence[TokenFigures]
) -> list[Alarm]:
    """Alarms on collapsed attention, logits without bound, and tokens that are all alike.

    Args:
        attention: Figures of each attention.
        tokens: Figures of the tokens; what comes before the first block, or is not read, raises no alarm.
    """
    found = []
    for item in attention:
        heads = [value for value in item.entropy if not value >= LEAST_ENTROPY]
        if heads:
            found.append(
                Alarm(
                    f"entropy of {item.name}",
                    f"attention has collapsed in {len(heads)} of {len(item.entropy)} heads of"
                    f" {item.name}: entropy {min(heads):.3f} of the largest possible, expected at"
                    f" least {LEAST_ENTROPY}. Lower training.discriminator_lr, raise training.r1_gamma, or"
                    " use discriminator.attention qknorm, if it is another one.",
                )
            )
        largest = max(item.largest_logit)
        if not all(value <= LARGEST_LOGIT for value in item.largest_logit):
            found.append(
                Alarm(
                    f"logits of {item.name}",
                    f"attention logits of {item.name} reach {largest:.3g}, expected at most"
                    f" {LARGEST_LOGIT:g}. Lower training.discriminator_lr, or use a weight constraint, or"
                    " discriminator.attention qknorm, if it is another one.",
                )
            )
    for state in tokens:
        if state.read and state.name != "embedding" and state.similarity > MOST_SIMILAR:
            found.append(
                Alarm(
                    f"similarity of {state.name}",
                    f"the tokens after {state.name} are all alike: mean cosine"
                    f" {state.similarity:.3f}, expected at most {MOST_SIMILAR}. Use fewer blocks, a"
                    " smaller discriminator.layer_scale, or another stem.",
                )
            )
    return found


def losing_alarm(r_relative: float, *, real: int, generated: int) -> list[Alarm]:
    """An alarm if generated images look more real to the discriminator than real ones.

    Args:
        r_relative: E[sign(D(x) - D(G(z)))] in [-1, 1], or nan.
        real: Different real images x.
        generated: Generated images.
    """
    if not r_relative < LOSING or r_relative >= -_reach_of_chance(real, generated):
        return []
    return [
        Alarm(
            "losing",
            "the discriminator is losing: it takes a generated image for more real than a training"
            f" image in {(1 - r_relative) / 2:.0%} of pairs, expected at most half. Lower"
            " training.r1_gamma, raise training.discriminator_lr, or use fewer augmentations.",
        )
    ]


def _reach_of_chance(real: int, generated: int) -> float:
    """How far from 0 r_relative comes though no image is told from another; above 1 anything can be chance.

    The variance of the AUC is (n + m + 1) / (12 n m) then (Mann and Whitney 1947).
    """
    return STANDARD_ERRORS * math.sqrt((real + generated + 1) / (3 * real * generated))


def _reach_of_chance_in_means(fewest: int) -> float:
    """How many standard errors two means come apart as seldom as `STANDARD_ERRORS`, were these known.

    They are estimated: Student's t, of one degree less than the smaller side has images (at most those of Welch 1947).
    """
    from scipy.special import ndtr, stdtrit  # for an inspection alone: it takes a while

    return float(stdtrit(fewest - 1, ndtr(STANDARD_ERRORS))) if fewest > 1 else math.inf


def overfitting_alarm(
    figures: LogitFigures,
    judge: str = "the discriminator",
    remedy: str = "raise training.r1_gamma, or use a smaller discriminator",
) -> list[Alarm]:
    """An alarm if held-out images look as little real as generated ones.

    Args:
        figures: Logits of an inspection.
        judge: Whose they are.
        remedy: What can be done beside more data and stronger augmentation.
    """
    place = _place_of_heldout(figures)
    if not place or _may_be_chance(figures):
        return []
    return [
        Alarm(
            "overfitting",
            f"{judge} knows its training images by heart: the mean logit of held-out images {place}, expected at"
            f" most {OVERFITTING:.0%} of the way. Add data, augment more, {remedy}.",
        )
    ]


def _place_of_heldout(figures: LogitFigures) -> str:
    """Where the mean logit of held-out images lies, if past `OVERFITTING`; else empty."""
    if not figures.values["r_v"] > OVERFITTING:
        return ""
    if figures.r_v < 1:
        return f"lies {figures.r_v:.0%} of the way down from training to generated ones"
    return "lies below that of training images and no higher than that of generated ones"


def _may_be_chance(figures: LogitFigures) -> bool:
    """Whether so few images may lie where held-out images do though all are alike to whoever judges them."""
    fewest = min(figures.count("training"), figures.count("heldout"))
    return not figures.heldout_gap_in_standard_errors > _reach_of_chance_in_means(fewest)


def overfitting_not_judged(figures: LogitFigures, judge: str = "the discriminator") -> list[str]:
    """Why `overfitting_alarm` is silent though held-out images lie where it would speak, and what to do.

    Args:
        figures: Logits of an inspection.
        judge: Whose they are.
    """
    training, heldout = map(figures.count, ("training", "heldout"))
    place = _place_of_heldout(figures)
    if not place or not _may_be_chance(figures):
        return []
    return [
        f"Whether {judge} knows its training images by heart cannot be told: the mean logit of held-out images {place},"
        f" but {training:,} training and {heldout:,} held-out images are too few."
        f" {_MORE_TRAINING if training <= heldout else _MORE_HELD_OUT}"
    ]


def not_judged(figures: LogitFigures) -> list[str]:
    """What no alarm can tell for lack of images, and what to do: without an alarm it would pass for sound.

    Args:
        figures: Logits of an inspection.
    """
    training, heldout, generated = map(figures.count, ("training", "heldout", "generated"))
    found = []
    if not training or _reach_of_chance(training, generated) >= 1:
        found.append(
            f"Whether the discriminator is losing cannot be told from {training:,} training and"
            f" {generated:,} generated images. {_MORE}"
        )
    if min(training, heldout) < 2:
        found.append(
            f"Whether training images are known by heart cannot be told from {training:,} training"
            f" and {heldout:,} held-out images. {_MORE if training < 2 else _MORE_HELD_OUT}"
        )
        return found
    return found + overfitting_not_judged(figures)


WATCHED_IMAGES = 16
"""Training images that are looked at: one pass over so few costs less than one training step."""


def training_alarms(
    discriminator: nn.Module, images: Tensor, *, r_relative: float, real: int, generated: int
) -> list[Alarm]:
    """The alarms of `adavit inspect` that need no more than a pass over a few images.

    Draws nothing and changes nothing, so a run on a CPU has the same bits with and without it.

    Args:
        discriminator: In training; one without attention has no attention that could collapse.
        images: A few training images [B, C, H, W] in [-1, 1], not augmented.
        r_relative: E[sign(D(x) - D(G(z)))] since the last report, or nan.
        real: Different real images of which it is.
        generated: Generated images, likewise.
    """
    found = losing_alarm(r_relative, real=real, generated=generated)
    if isinstance(discriminator, ViTDiscriminator):
        seen = CollapseObserver()
        with without_autocast(images.device):
            for part in images.split(images_at_a_time(discriminator)):
                observe(discriminator, part, seen)
        found += attention_alarms(seen.attention_figures(), seen.token_figures())
    return found
