"""The configuration of a run: typed, validated, frozen; the one place where defaults live.

A field whose default is `AUTO` is chosen from the resolution, the number of images and the device by
`adavit.config.auto.resolve`; before that it holds the word "auto" and afterwards a plain value, so the code
that consumes a configuration never meets it. `adavit.config.layers` merges presets, files and flags into
one of these and words the errors.
"""

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from adavit.augment.pipeline import AugmentPipe
from adavit.augment.presets import DIFFAUG, GROUPS, PRESETS
from adavit.config.discriminator import ResNetConfig, ViTConfig
from adavit.config.section import AUTO, ConfigModel
from adavit.config.training import TrainingConfig

PRESET_NAMES = (*PRESETS, DIFFAUG)
OPERATIONS = tuple(operation for operations in GROUPS.values() for operation in operations)
"""Operations of the augmentation pipe, in its order; each is a key of the section `augment`."""

MAGNITUDES = {
    name: parameter.default
    for name, parameter in inspect.signature(AugmentPipe).parameters.items()
    if parameter.kind is parameter.KEYWORD_ONLY and name != "extra"
}
"""Magnitude constants of the operations with their published values; keys of `augment` too."""


class DataConfig(ConfigModel):
    """What is trained on."""

    source: str = Field("small_set", min_length=1)
    """A folder, a zip file, or the name of a known set; a path wins over a name."""
    resolution: int = Field(AUTO, ge=4, le=1024)
    """Side in pixels, 4 * 2^k. auto: what fits most images, up to 256 (accelerator) or 32 (CPU)."""
    channels: Literal["auto", "grey", "rgb", "rgba"] = Field("auto")
    """auto: detected over the whole set."""
    cond: bool = Field(False)
    """Condition both networks on the classes of the images."""
    mirror: bool = Field(False)
    """Double the training images by horizontal flips."""
    subset: int | None = Field(None, ge=1)
    """Train on this many images, drawn with the seed. None: all."""
    val_fraction: float | None = Field(None, ge=0, lt=1)
    """Held-out images per training image, never trained on. None: 0.05 from 500 training images on,
    else 0."""
    data_root: Path | None = Field(None)
    """Where downloaded data sets are kept. None: the cache folder."""


class _AugmentBase(ConfigModel):
    mode: Literal["ada", "fixed", "scheduled", "none"] = Field("ada")
    """ada: p is adapted to overfitting; fixed: p stays; scheduled: p goes from initial_p to p along half
    a cosine over schedule_kimg; none: images are not augmented."""
    preset: Literal[PRESET_NAMES] = Field("bgc")  # type: ignore[valid-type]
    """Which operations: b blitting, g geometric, c colour, f filtering, n noise, c cutout."""
    p: float | None = Field(None, ge=0, le=1)
    """The probability of each operation, for mode fixed; where it ends, for mode scheduled."""
    schedule_kimg: float | None = Field(None, gt=0)
    """Thousands of images in which p gets from initial_p to p, for mode scheduled."""
    heuristic: Literal["rt", "rv", "relative"] = Field(AUTO)
    """What steers p: r_t (signs on training images), r_v (needs held-out images) or r_relative (signs of
    real less generated). auto: rt; relative for the losses relativistic and wasserstein, whose logits have
    no threshold."""
    target: float = Field(AUTO, ge=-1, le=1)
    """Value of the heuristic to hold. auto: 0.6 for rt and relative, 0.5 for rv."""
    initial_p: float = Field(AUTO, ge=0, le=1)
    """p at the start, for the modes ada and scheduled. auto: 0, for vit with ada 0.2."""
    speed_kimg: float = Field(AUTO, gt=0)
    """Thousands of real images for p to move from 0 to 1. auto: 500, up to 5,000 images 200; 100 with
    transfer."""
    p_max: float = Field(0.8, ge=0, le=1)
    """Upper bound of p in mode ada; near 1 augmentations leak."""

    @model_validator(mode="after")
    def _p_belongs_to_fixed(self) -> "_AugmentBase":
        if self.mode in ("fixed", "scheduled") and self.p is None:
            raise ValueError(
                f"augment.mode is {self.mode}, but augment.p is not given. Give --p, for example"
                " --p 0.4."
            )
        if (self.mode == "scheduled") != (self.schedule_kimg is not None):
            raise ValueError(
                f"augment.schedule_kimg is {self.schedule_kimg}, but augment.mode is {self.mode}."
                " Give it with --aug scheduled, and only with it."
            )
        if self.mode not in ("fixed", "scheduled") and self.p is not None:
            instead = (
                "set augment.initial_p for its start" if self.mode == "ada" else "leave --p out"
            )
            raise ValueError(
                f"augment.p is {self.p:g}, but augment.mode is {self.mode}. Use --aug fixed, or"
                f" {instead}."
            )
        if self.preset == DIFFAUG and (self.mode, self.p) != ("fixed", 1):
            raise ValueError(
                f"augment.preset is {DIFFAUG}, which is always on, but augment.mode is {self.mode}"
                f" and augment.p {self.p}. Use --aug fixed --p 1, or another preset."
            )
        switched = [name for name in OPERATIONS if getattr(self, name, AUTO) not in (AUTO, 0)]
        switched += [
            name
            for name, value in MAGNITUDES.items()
            if getattr(self, name, AUTO) not in (AUTO, value)
        ]
        if self.preset == DIFFAUG and switched:
            raise ValueError(
                f"augment.{switched[0]} is given, but augment.preset is {DIFFAUG}, which has its"
                " own operations. Leave it out, or use another preset."
            )
        if self.mode == "ada" and self.initial_p is not AUTO and self.initial_p > self.p_max:
            raise ValueError(
                f"augment.initial_p is {self.initial_p:g}, but must be at most augment.p_max"
                f" ({self.p_max:g}). Lower one or raise the other."
            )
        return self


def _operation_fields(base: type[ConfigModel]) -> type[ConfigModel]:
    """Adds one key per operation and magnitude of the pipeline: one list, not two."""
    fields: dict[str, Any] = {}
    for name in OPERATIONS:
        meaning = f"Multiplier of p for {name}. auto: as the preset says."
        fields[name] = (float, Field(AUTO, ge=0, le=1, description=meaning))
    for name, published in MAGNITUDES.items():
        meaning = f"Magnitude of the operation. auto: {published}, as published."
        kind = Annotated[float, Field(ge=0)]
        fields[name] = (
            tuple[kind, ...] if isinstance(published, tuple) else kind,
            Field(AUTO, description=meaning),
        )
    return create_model(
        "AugmentConfig", __base__=base, __doc__="Which augmentations, and how p moves.", **fields
    )


AugmentConfig: Any = _operation_fields(_AugmentBase)


class GeneratorConfig(ConfigModel):
    """StyleGAN2's generator."""

    latent_dim: int = Field(AUTO, ge=1)
    """Dimensions of z. auto: 512, on a CPU 128."""
    style_dim: int = Field(AUTO, ge=1)
    """Dimensions of w. auto: 512, on a CPU 128."""
    mapping_layers: int = Field(2, ge=1)
    """Dense layers from z to w."""
    mapping_lr_multiplier: float = Field(AUTO, gt=0)
    """Factor on the learning rate of these layers. auto: 0.01, on a CPU 0.1."""
    channel_base: int = Field(AUTO, ge=1)
    """Channels at resolution r are min(channel_base / r, channel_max)."""
    channel_max: int = Field(AUTO, ge=1)
    """auto: 512, on a CPU 64."""


class MetricsConfig(ConfigModel):
    """How generated images are scored while training."""

    names: tuple[Literal["fid", "kid"], ...] = Field(("fid", "kid"))
    """What is measured; the first one decides which generator is best. Empty: nothing."""
    extractor: Literal["auto", "inception", "random"] = Field("auto")
    """Feature network. auto: Inception where its weights are to be had; small_set uses random."""
    inception_weights: Path | None = Field(None)
    """Inception's weights as a file. None: torch-fidelity's own download."""
    fakes: int = Field(AUTO, ge=2)
    """Generated images per evaluation. auto: 5000, on a CPU 2000."""
    every_kimg: float = Field(AUTO, gt=0)
    """Thousands of images between evaluations. auto: 200, on a CPU 20."""
    reference: str | None = Field(None)
    """Data to compare with. None: all of data.source, without flips."""
    patience_kimg: float | None = Field(None, gt=0)
    """Stop when the first metric has not improved for so long. None: never."""

    @field_validator("names", mode="before")
    @classmethod
    def _names_with_commas(cls, names: Any) -> Any:
        if isinstance(names, str):
            return [name.strip() for name in names.split(",") if name.strip()]
        return names

    @model_validator(mode="after")
    def _each_metric_once(self) -> "MetricsConfig":
        if len(set(self.names)) != len(self.names):
            raise ValueError(
                f"metrics.names is {','.join(self.names)}, but each metric may be named once."
                " Remove the repetition."
            )
        if self.patience_kimg is not None and not self.names:
            raise ValueError(
                "metrics.patience_kimg is given, but metrics.names is empty. Name a metric, or"
                " leave --patience out."
            )
        return self


class RunSettings(ConfigModel):
    """Where and how often; nothing here changes the weights but the seed."""

    out: Path | None = Field(None)
    """The run directory. None: the next number below runs/."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Start of every random stream."""
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto")
    """auto: cuda where there is one, else cpu."""
    status_every_kimg: float = Field(AUTO, gt=0)
    """Thousands of images between lines of stats.jsonl. auto: 4, on a CPU 1."""
    samples_every_kimg: float = Field(AUTO, gt=0)
    """Thousands of images between sample grids. auto: as metrics.every_kimg."""
    checkpoint_every_kimg: float = Field(AUTO, gt=0)
    """Thousands of images between checkpoints. auto: as metrics.every_kimg."""


class RunConfig(ConfigModel):
    """All that decides a run."""

    data: DataConfig = DataConfig()
    augment: AugmentConfig = AugmentConfig()
    generator: GeneratorConfig = GeneratorConfig()
    discriminator: Annotated[ViTConfig | ResNetConfig, Field(discriminator="kind")] = ResNetConfig()
    training: TrainingConfig = TrainingConfig()
    metrics: MetricsConfig = MetricsConfig()
    run: RunSettings = RunSettings()

    @model_validator(mode="before")
    @classmethod
    def _resnet_unless_named(cls, values: Any) -> Any:
        section = values.get("discriminator") if isinstance(values, dict) else None
        if isinstance(section, dict) and "kind" not in section:
            values = {**values, "discriminator": {"kind": "resnet", **section}}
        return values

    @model_validator(mode="after")
    def _resolution_is_a_doubling_of_four(self) -> "RunConfig":
        resolution = self.data.resolution
        if resolution is not AUTO and (resolution & (resolution - 1)):
            below = 1 << (resolution.bit_length() - 1)
            raise ValueError(
                f"data.resolution is {resolution}, but must be 4, 8, 16, 32, ... Use {below} or"
                f" {below * 2}."
            )
        return self

    @model_validator(mode="after")
    def _patch_divides_resolution(self) -> "RunConfig":
        vit, resolution = self.discriminator, self.data.resolution
        if (
            isinstance(vit, ViTConfig)
            and AUTO not in (vit.patch, resolution)
            and resolution % vit.patch
        ):
            raise ValueError(
                f"discriminator.patch is {vit.patch}, but must divide data.resolution"
                f" ({resolution}). Use {max(1, resolution // 8)}."
            )
        return self

    @model_validator(mode="after")
    def _trunk_is_of_a_vit(self) -> "RunConfig":
        if self.training.init_discriminator is not None and self.discriminator.kind != "vit":
            raise ValueError(
                f"training.init_discriminator is {str(self.training.init_discriminator)!r}, the"
                " trunk of a ViT, but discriminator.kind is"
                f" {self.discriminator.kind}. Use --discriminator vit, or leave"
                " --init-discriminator out."
            )
        return self

    @model_validator(mode="after")
    def _patches_are_those_of_a_vit(self) -> "RunConfig":
        if self.training.masked_patch_weight and self.discriminator.kind != "vit":
            raise ValueError(
                f"training.masked_patch_weight is {self.training.masked_patch_weight:g}, but"
                f" discriminator.kind is {self.discriminator.kind}, which has no patches. Use"
                " --discriminator vit, or leave it out."
            )
        return self

    def as_dict(self) -> dict[str, Any]:
        """Sections as plain values for YAML and JSON; the inverse of `RunConfig.model_validate`."""
        return self.model_dump(mode="json", warnings=False)
