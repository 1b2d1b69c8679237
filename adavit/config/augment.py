"""The section `augment` of a run's configuration: which operations, how strong, and how p moves."""

from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, field_validator

from adavit.augment.kornia_names import check_name
from adavit.augment.presets import DIFFAUG, PRESETS
from adavit.augment.settings import MAGNITUDES, OPERATIONS, TARGETS
from adavit.config.section import ConfigModel, auto, rule
from adavit.errors import shown
from adavit.runtime.yaml_text import RepeatedKey, load_yaml

PRESET_NAMES = (*PRESETS, DIFFAUG)

Multiplier = Annotated[float, Field(ge=0, le=1)]
Magnitude = Annotated[float, Field(ge=0)]


class ExtraOperation(ConfigModel):
    """An operation of `kornia.augmentation`, with any keywords of its class beside these."""

    model_config = ConfigDict(extra="allow")

    operation: str = Field(min_length=1)
    """Name of the class, for example RandomElasticTransform."""
    p: float = Field(1.0, ge=0, le=1)
    """Multiplier of the pipe's p."""

    @property
    def keywords(self) -> dict[str, Any]:
        """Keyword arguments of its class."""
        return dict(self.model_extra or {})

    @rule("operation", "p")
    def _kornia_has_it(self) -> None:
        try:
            check_name(self.operation)
            from adavit.augment.kornia_operations import kornia_operation  # two seconds

            kornia_operation(self.operation, self.p, **self.keywords)
        except ValueError as error:
            raise ValueError(f"augment.extra: {error}") from None


class AugmentConfig(ConfigModel):
    """Which augmentations, and how p moves."""

    mode: Literal["ada", "fixed", "scheduled", "none"] = Field("ada")
    """How p moves. ada: it is adapted to overfitting; fixed: p stays; scheduled: p goes from initial_p to p along half
    a cosine over schedule_kimg; none: images are not augmented."""
    preset: Literal[PRESET_NAMES] = Field("bgc")  # type: ignore[valid-type]
    """Which operations: b blitting, g geometric, c colour, f filtering, n noise, c cutout; diffusion is the noise of
    Diffusion-GAN."""
    p: float | None = Field(None, ge=0, le=1)
    """The probability of each operation, for mode fixed; where it ends, for mode scheduled."""
    schedule_kimg: float | None = Field(None, gt=0)
    """Thousands of images in which p gets from initial_p to p, for mode scheduled."""
    heuristic: Literal["rt", "rv", "relative"] = auto()
    """What steers p: r_t (signs on training images), r_v (needs held-out images) or r_relative (signs of
    real less generated). auto: rt; relative for the losses relativistic and wasserstein, whose logits have
    no threshold."""
    target: float = auto(ge=-1, le=1)
    """Value of the heuristic to hold, for rv from 0 on. auto: 0.6 for rt and relative, 0.5 for rv."""
    initial_p: float = auto(ge=0, le=1)
    """p at the start, for the modes ada and scheduled. auto: 0, for vit with ada 0.2."""
    speed_kimg: float = auto(gt=0)
    """Thousands of real images for p to move from 0 to 1. auto: 500, up to 5,000 images 200; 100 with
    transfer."""
    p_max: float = Field(0.8, ge=0, le=1)
    """Upper bound of p in mode ada; near 1 augmentations leak."""

    xflip: Multiplier = auto()
    """Multiplier of p for mirroring. auto: as the preset says."""
    rotate90: Multiplier = auto()
    """Multiplier of p for quarter turns. auto: as the preset says."""
    xint: Multiplier = auto()
    """Multiplier of p for shifts by whole pixels. auto: as the preset says."""
    scale: Multiplier = auto()
    """Multiplier of p for isotropic scaling. auto: as the preset says."""
    rotate: Multiplier = auto()
    """Multiplier of p for rotation by any angle. auto: as the preset says."""
    aniso: Multiplier = auto()
    """Multiplier of p for stretching x against y. auto: as the preset says."""
    xfrac: Multiplier = auto()
    """Multiplier of p for shifts by fractions of a pixel. auto: as the preset says."""
    brightness: Multiplier = auto()
    """Multiplier of p for adding a constant. auto: as the preset says."""
    contrast: Multiplier = auto()
    """Multiplier of p for multiplying by a constant. auto: as the preset says."""
    lumaflip: Multiplier = auto()
    """Multiplier of p for reflecting the luma. auto: as the preset says."""
    hue: Multiplier = auto()
    """Multiplier of p for rotating the hue. auto: as the preset says."""
    saturation: Multiplier = auto()
    """Multiplier of p for scaling the saturation. auto: as the preset says."""
    imgfilter: Multiplier = auto()
    """Multiplier of p for random gains of four frequency bands. auto: as the preset says."""
    noise: Multiplier = auto()
    """Multiplier of p for additive noise. auto: as the preset says."""
    cutout: Multiplier = auto()
    """Multiplier of p for a box set to 0. auto: as the preset says."""
    diffusion: Multiplier = auto()
    """Multiplier of p for diffusion noise, which p makes stronger; half of the images stay without. auto: as the
    preset says."""

    xint_max: Magnitude = auto()
    """Largest shift of xint, as a fraction of width and height. auto: 0.125, as published."""
    scale_std: Magnitude = auto()
    """Standard deviation of log2 of the scale. auto: 0.2, as published."""
    rotate_max: Magnitude = auto()
    """Largest angle, as a fraction of a half turn. auto: 1, as published."""
    aniso_std: Magnitude = auto()
    """Standard deviation of log2 of the stretch. auto: 0.2, as published."""
    xfrac_std: Magnitude = auto()
    """Standard deviation of the shift, as a fraction of width and height. auto: 0.125, as published."""
    brightness_std: Magnitude = auto()
    """Standard deviation of the constant, in pixel values. auto: 0.2, as published."""
    contrast_std: Magnitude = auto()
    """Standard deviation of log2 of the contrast. auto: 0.5, as published."""
    hue_max: Magnitude = auto()
    """Largest angle, as a fraction of a half turn. auto: 1, as published."""
    saturation_std: Magnitude = auto()
    """Standard deviation of log2 of the saturation. auto: 1, as published."""
    imgfilter_bands: tuple[Multiplier, Multiplier, Multiplier, Multiplier] = auto()
    """Multipliers of the four bands, low to high. auto: (1, 1, 1, 1), as published."""
    imgfilter_std: Magnitude = auto()
    """Standard deviation of log2 of a band's gain. auto: 1, as published."""
    noise_std: Magnitude = auto()
    """Scale of the noise's standard deviation, in pixel values. auto: 0.1, as published."""
    cutout_size: Magnitude = auto()
    """Width and height of the box, as a fraction of the image's. auto: 0.5, as published."""
    diffusion_std: Magnitude = auto()
    """Standard deviation of what images fade to, in pixel values. auto: 0.05, as published."""

    extra: tuple[ExtraOperation, ...] = Field(())
    """Operations of kornia after all others, under the same p: a list of {operation: RandomElasticTransform,
    p: 0.5, any keyword of it: ...}, or in short RandomElasticTransform:0.5,RandomGrayscale."""

    @property
    def follows(self) -> str | None:
        """The heuristic that p follows; None where it follows none."""
        return self.heuristic if self.mode == "ada" else None

    @field_validator(
        "extra",
        mode="before",
        json_schema_input_type=str | ExtraOperation | tuple[ExtraOperation | str, ...],
    )
    @classmethod
    def _operations_in_short(cls, extra: Any) -> Any:
        if isinstance(extra, str):
            extra = _from_text(extra) or []
        items = [extra] if isinstance(extra, dict) else extra
        if not isinstance(items, list | tuple):
            return items
        return [_from_name(item) if isinstance(item, str) else item for item in items]

    @rule("mode", "extra")
    def _extra_operations_need_a_p(self) -> None:
        if self.extra and self.mode == "none":
            raise ValueError(
                f"augment.extra names {self.extra[0].operation}, but augment.mode is none, which augments nothing."
                " Leave it out, or use another --aug."
            )

    @rule("mode", "p")
    def _a_p_that_does_not_adapt_is_given(self) -> None:
        if self.mode in ("fixed", "scheduled") and self.p is None:
            raise ValueError(
                f"augment.mode is {self.mode}, but augment.p is not given. Give --p, for example"
                " --p 0.4."
            )

    @rule("mode", "schedule_kimg")
    def _a_schedule_has_its_length(self) -> None:
        if (self.mode == "scheduled") != (self.schedule_kimg is not None):
            remedy = "Leave it out, or where a preset gives it set it to null"
            if self.schedule_kimg is None:
                remedy = "Give it, for example --set augment.schedule_kimg=1000"
            elif self.preset != DIFFAUG:  # which is not scheduled either
                remedy += ", or use --aug scheduled"
            raise ValueError(
                f"augment.schedule_kimg is {self.schedule_kimg}, but augment.mode is {self.mode}. {remedy}."
            )

    @rule("mode", "p")
    def _a_p_that_adapts_is_not_given(self) -> None:
        if self.mode not in ("fixed", "scheduled") and self.p is not None:
            start = "; augment.initial_p is its start" if self.mode == "ada" else ""
            raise ValueError(
                f"augment.p is {self.p:g}, but augment.mode is {self.mode}. Use --aug fixed, or leave --p out, or"
                f" where a preset gives it set it to null{start}."
            )

    @rule("preset", "mode", "p")
    def _diffaug_is_always_on(self) -> None:
        if self.preset == DIFFAUG and (self.mode, self.p) != ("fixed", 1):
            raise ValueError(
                f"augment.preset is {DIFFAUG}, which is always on, but augment.mode is {self.mode}"
                f" and augment.p {self.p}. Use --aug fixed --p 1, or another preset."
            )

    @rule("preset")
    def _diffaug_has_its_own_operations(self) -> None:
        if self.preset != DIFFAUG:
            return
        left_alone = {**dict.fromkeys(OPERATIONS, 0), **MAGNITUDES}
        switched = [
            name
            for name, value in left_alone.items()
            if self.is_known(name) and getattr(self, name) != value
        ]
        if switched:
            raise ValueError(
                f"augment.{switched[0]} is given, but augment.preset is {DIFFAUG}, which has its"
                " own operations. Leave it out, or use another preset."
            )

    @rule("heuristic", "target")
    def _the_target_is_one_that_the_heuristic_can_have(self) -> None:
        if self.heuristic == "rv" and self.target < 0:
            raise ValueError(
                f"augment.target is {self.target:g}, but r_v, which augment.heuristic rv holds there, lies from"
                f" 0 to 1. Use --target {TARGETS['rv']:g}, or --heuristic rt."
            )

    @rule("mode", "initial_p", "p_max")
    def _p_starts_below_its_bound(self) -> None:
        if self.mode == "ada" and self.initial_p > self.p_max:
            raise ValueError(
                f"augment.initial_p is {self.initial_p:g}, but must be at most augment.p_max"
                f" ({self.p_max:g}). Lower one or raise the other."
            )


def _from_text(text: str) -> Any:
    """What a flag says: YAML, or names with commas between them.

    Raises:
        ValueError: If it begins as a list or a mapping of YAML and cannot be read as one.
    """
    try:
        values = load_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if text.lstrip().startswith(("[", "{")):
            found = f"has {error}" if isinstance(error, RepeatedKey) else "is not valid YAML"
            raise ValueError(
                f"augment.extra is {shown(text)}, which {found}, expected a list such as"
                " [{operation: RandomHue, p: 0.5}]. Close each bracket, and name each key of an entry once."
            ) from None
        values = text
    return values.split(",") if isinstance(values, str) else values


def _from_name(text: str) -> dict[str, Any]:
    """`RandomHue:0.5` as a mapping."""
    name, colon, p = text.strip().partition(":")
    if not colon:
        return {"operation": name}
    try:
        return {"operation": name, "p": float(p)}
    except ValueError:
        raise ValueError(
            f"augment.extra: {text.strip()!r} gives {name} no number, expected NAME:P such as"
            f" {name}:0.5. Keywords go in a list: [{{operation: {name}, p: 0.5, ...}}]."
        ) from None
