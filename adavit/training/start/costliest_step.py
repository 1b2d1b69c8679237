"""Steps by which a run is foreseen: nothing is left out of them that comes later in it, or when p falls again."""

from adavit.config.augment import AugmentConfig
from adavit.training.step.adversarial_step import AdversarialStep

LIKELY_P = 0.4
"""Augmentation's p while costs are measured, and APA's, where they move: about what small sets arrive at."""


def make_costliest(step: AdversarialStep, augment: AugmentConfig) -> None:
    """Brings a step that is thrown away to the p of a run at which it takes the most.

    A critic on frozen features takes part from the first image on, and at a p at which the generator follows it if it
    does so at any p of the run: its backward pass, which is left out elsewhere, may be most of a step. Images that APA
    shows as real are drawn, which they are not before its p has left 0.

    Args:
        step: Of the run; changed.
        augment: Of the run.
    """
    lowest, highest = _range_of_p(augment)
    p, critic = max(lowest, min(LIKELY_P, highest)), step.features
    if critic is not None:
        critic.start_images = 0
        if critic.vanishes_at is not None and lowest < critic.vanishes_at <= p:
            p = (lowest + critic.vanishes_at) / 2
    step.set_p(p)
    if step.pseudo is not None:
        step.pseudo.p = LIKELY_P  # or its cap


def _range_of_p(augment: AugmentConfig) -> tuple[float, float]:
    """Between which p moves in a run."""
    if augment.mode == "ada":
        return 0.0, augment.p_max
    end = augment.p or 0.0
    if augment.mode == "scheduled":
        return min(augment.initial_p, end), max(augment.initial_p, end)
    return end, end
