"""Settings that are allowed and that nobody means: a slip of the exponent, a word too many."""

from dataclasses import dataclass

from adavit.config.auto import chosen_features
from adavit.config.features import FeaturesConfig
from adavit.config.layers import preset_names, read_preset
from adavit.config.run import ResolvedConfig


@dataclass(frozen=True)
class PlausibleRange:
    """Where a setting is worth trying, with a factor of a hundred or more to what published systems use.

    Attributes:
        low: Anything below is named; 0 itself, where it is allowed, is off.
        high: Anything above is named.
        below: What happens below.
        above: What happens above.
    """

    low: float
    high: float
    below: str
    above: str


_RATE = PlausibleRange(1e-7, 0.1, "the network hardly moves", "the network diverges within steps")
_WEIGHT = PlausibleRange(0.0, 1e4, "", "the loss is nothing else, and may overflow")
RANGES = {
    "training.generator_lr": _RATE,
    "training.discriminator_lr": _RATE,
    **dict.fromkeys(
        (
            "training.r1_gamma",
            "training.r2_gamma",
            "training.gradient_penalty",
            "training.drift",
            "training.path_length",
            "training.bcr_real",
            "training.bcr_generated",
            "training.zcr_discriminator",
            "training.zcr_generator",
            "training.lecam",
            "training.chain_weight",
            "training.masked_patch_weight",
            "training.distill_weight",
        ),
        _WEIGHT,
    ),
    "training.penalty_sigma": PlausibleRange(
        1e-5,
        1.0,
        "rounding is all that is left of a difference",
        "it reaches across all pixel values",
    ),
    "generator.mapping_lr_multiplier": PlausibleRange(
        1e-4, 10.0, "the mapping hardly moves", "the mapping diverges"
    ),
}
"""By setting. The strongest penalty in use is R1 at 10; at 1024 px its default reaches 512."""


def absurd_settings(config: ResolvedConfig) -> list[str]:
    """A sentence for every setting far outside of what has ever been trained with.

    Args:
        config: Of the run.
    """
    found = []
    for key, usual in RANGES.items():
        section, _, name = key.partition(".")
        value = getattr(getattr(config, section), name)
        if not value or usual.low <= value <= usual.high:
            continue
        outcome = usual.above if value > usual.high else usual.below
        found.append(
            f"{key} is {value:g}, far outside of {usual.low:g} to {usual.high:g}, beyond which"
            f" {outcome}. Check the number."
        )
    return [*found, *_never_warm(config), *_frozen_as_drawn(config), *_without_effect(config)]


def _never_warm(config: ResolvedConfig) -> list[str]:
    """A sentence where both steps still rise when the run is over."""
    warmup, end = config.training.warmup_kimg, config.training.total_kimg
    if warmup < end:
        return []
    return [
        f"training.warmup_kimg is {warmup:g}, but the run ends at {end:g} kimg, so both steps stay below generator_lr"
        " and discriminator_lr throughout. Lower it, or give a larger --kimg."
    ]


def _frozen_as_drawn(config: ResolvedConfig) -> list[str]:
    """A sentence where layers are frozen that no one has trained."""
    training = config.training
    if not training.freeze_d or training.transfer or training.init_discriminator:
        return []
    return [
        f"training.freeze_d is {training.freeze_d}, but the discriminator starts from no trained weights, so that many"
        " of its layers stay as they were drawn. Give --transfer or --init-discriminator, or leave --freeze-d out."
    ]


_NOT_GIVEN = ("seen", "minibatch_std_group")
"""Settings of a critic that may differ though nobody gave them: the latter was chosen for the microbatch that a run was
started with, and goes on with another."""


def _without_effect(config: ResolvedConfig) -> list[str]:
    """A sentence where settings of a critic are given, and no critic, or one that comes too late."""
    features, end = config.features, config.training.total_kimg
    if features.network is not None:
        return [*_too_late(features.start_kimg, end), *_never_followed(config)]
    resolution, images = config.data.resolution, config.training.images_at_a_time
    usual = FeaturesConfig(**chosen_features(None, resolution, images, alone=False))
    differing = [
        name
        for name in type(features).model_fields
        if name not in _NOT_GIVEN and getattr(features, name) != getattr(usual, name)
    ]
    # What a preset says of a critic is for those who ask for one.
    shipped = [read_preset(name).get("features", {}) for name in preset_names() if differing]
    given = [
        f"features.{name}"
        for name in differing
        if all(preset.get(name) != getattr(features, name) for preset in shipped)
    ]
    if not given:
        return []
    return [
        f"{' and '.join(given)} {'is' if len(given) == 1 else 'are'} given, but no critic that it"
        " could change, expected features.network. Give --features, or leave it out."
    ]


def _too_late(start_kimg: float, end_kimg: float) -> list[str]:
    """A sentence where a critic would begin when the run is over."""
    if start_kimg < end_kimg:
        return []
    return [
        f"features.start_kimg is {start_kimg:g}, but the run ends at {end_kimg:g} kimg, so its critic takes no"
        " part. Lower it, or leave --features out."
    ]


def _never_followed(config: ResolvedConfig) -> list[str]:
    """A sentence where the weight of a critic is 0 throughout."""
    ends, augment = config.features.vanishes_at, config.augment
    if ends is None or augment.mode != "fixed" or augment.p is None or augment.p < ends:
        return []
    return [
        f"features.vanishes_at is {ends:g}, but p is fixed at {augment.p:g}, so the generator never follows its"
        " critic, which takes time all the same. Set it to null, or leave --features out."
    ]
