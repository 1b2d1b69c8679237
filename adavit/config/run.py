"""The configuration of a run: what a user may write, and what a run holds; the one place where defaults live.

`RunConfig` is what presets, files and flags are merged into (`adavit.config.layers`): what is left open in it holds the
word "auto". `adavit.config.auto.resolve` chooses from the resolution, the number of images and the device, and returns
a `ResolvedConfig`, in which every value is there. Code that trains, measures or reads a run takes that one.
"""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from adavit.augment.presets import DIFFAUG
from adavit.config.augment import AugmentConfig
from adavit.config.discriminator import ProjectedConfig, ResNetConfig, ViTConfig
from adavit.config.features import FeaturesConfig
from adavit.config.run_settings import RunSettings
from adavit.config.section import (
    MOST,
    ConfigModel,
    ImageResolution,
    UserPath,
    UserSource,
    Writable,
    auto,
    rule,
    schema_types,
    writable,
)
from adavit.config.training import TrainingConfig
from adavit.models.limits import LARGEST_WIDTH, LR_MULTIPLIERS, MOST_LAYERS
from adavit.models.published_vit import is_of_library, misfits


class DataConfig(ConfigModel):
    """The training images: their source, size, channels and labels, and which of them are used."""

    source: UserSource = Field("small_set", min_length=1)
    """A folder, a zip file, or the name of a known set; a path wins over a name."""
    resolution: ImageResolution = auto()
    """Side of squares in pixels, or height x width as 96x64; sides a * 2^k and b * 2^k with a and b up to 7. auto: what
    fits most images, up to the area of a square of 256 (accelerator) or 32 (CPU)."""
    fit: Literal["crop", "pad", "stretch"] = Field("crop")
    """Images of another shape. crop: their middle. pad: whole, the rest reflected, or transparent in an RGBA set.
    stretch: whole, as wide or high as needed."""
    channels: Literal["auto", "grey", "rgb", "rgba"] = Field("auto")
    """Colours of the images. auto: detected over the whole set."""
    frames: Literal["first", "all"] = Field("first")
    """Frames of a GIF, an animated WebP, PNG or AVIF and pages of a TIFF. all: each is an image."""
    scale_16bit: Literal["auto", "full", "set"] = Field("auto")
    """White in images of more than 8 bits. auto: the largest sample each file declares. full: 65535. set: the smallest
    2^b - 1 that holds every sample of the set."""
    cond: bool = Field(False)
    """Condition both networks on the classes of the images."""
    mirror: bool = Field(False)
    """Double the training images by horizontal flips."""
    subset: int | None = Field(None, ge=1, le=MOST)
    """Train on this many images, drawn with the seed. None: all."""
    val_fraction: float | None = Field(None, ge=0, lt=1)
    """Held-out images per training image, never trained on: of 40 images 0.5 holds out 13. None: 0.05 from
    500 images on, else 0."""
    data_root: UserPath | None = Field(None)
    """Where downloaded data sets are kept. None: the cache folder."""
    follow_links: bool = Field(False)
    """Also take files and folders that links out of the data's folder lead to."""


class GeneratorConfig(ConfigModel):
    """StyleGAN2's generator."""

    latent_dim: int = auto(ge=1, le=LARGEST_WIDTH)
    """Dimensions of z. auto: 512, on a CPU 128."""
    style_dim: int = auto(ge=1, le=LARGEST_WIDTH)
    """Dimensions of w. auto: 512, on a CPU 128."""
    mapping_layers: int = auto(ge=1, le=MOST_LAYERS)
    """Dense layers from z to w. auto: 2, or as many as in a network that training.transfer names as a file."""
    mapping_lr_multiplier: float = auto(ge=LR_MULTIPLIERS[0], le=LR_MULTIPLIERS[1])
    """Factor on the learning rate of these layers. auto: 0.01, on a CPU 0.1."""
    channel_base: int = auto(ge=1, le=MOST)
    """Channels at resolution r are min(channel_base / r, channel_max). auto: 16384, from 512 px on 32768; on a
    CPU 16 times the 4 * 2^k that doubles as often as the sides (2048 at 128 and 192 px)."""
    channel_max: int = auto(ge=1, le=LARGEST_WIDTH)
    """Most channels at any resolution. auto: 512, on a CPU 64."""
    noise: Literal["learned", "bounded", "none"] = Field("learned")
    """What its convolutions add at each pixel: StyleGAN2's noise of learned strength, the same of at most 0.1, or
    nothing."""


class MetricsConfig(ConfigModel):
    """How generated images are scored while training."""

    names: tuple[Literal["fid", "kid"], ...] = Field(
        ("fid", "kid"), json_schema_extra=schema_types("array", "string")
    )
    """What is measured; the first one decides which generator is best. none: nothing."""
    extractor: tuple[Literal["auto", "inception", "random", "drawn"], ...] = Field(
        ("auto",), min_length=1, json_schema_extra=schema_types("array", "string")
    )
    """Feature networks; the figures of the first decide. auto: Inception where its weights are to be had; small_set
    uses drawn, which knows its drawings alone. One that is related to what the discriminator sees through never comes
    first: random does then."""
    inception_weights: UserPath | None = Field(None)
    """Inception's weights as a file. None: torch-fidelity's own download."""
    fakes: int = auto(ge=2, le=10**7)
    """Generated images per evaluation. auto: 5000, on a CPU 2000."""
    every_kimg: float = auto(gt=0)
    """Thousands of images between evaluations. auto: 200, on a CPU 20."""
    reference: UserSource | None = Field(None)
    """Data to compare with. None: all of data.source, without flips."""
    patience_kimg: float | None = Field(None, gt=0)
    """Stop when the first metric has not improved for so long. None: never."""

    @field_validator("names", "extractor", mode="before")
    @classmethod
    def _names_with_commas(cls, names: Any) -> Any:
        if isinstance(names, str):
            names = [name.strip() for name in names.split(",") if name.strip()]
        return [] if names == ["none"] else names

    @rule("names", "extractor")
    def _each_is_named_once(self) -> None:
        given = {"names": ("metric", self.names), "extractor": ("network", self.extractor)}
        for key, (what, words) in given.items():
            if len(set(words)) != len(words):
                raise ValueError(
                    f"metrics.{key} is {','.join(words)}, but each {what} may be named once. Remove the repetition."
                )

    @rule("names", "patience_kimg")
    def _patience_needs_a_metric(self) -> None:
        if self.patience_kimg is not None and not self.names:
            raise ValueError(
                "metrics.patience_kimg is given, but metrics.names is empty. Name a metric, or leave --patience out."
            )


class _WholeConfig(ConfigModel):
    """The sections of both configurations, and the rules between them."""

    data: DataConfig
    augment: AugmentConfig
    generator: GeneratorConfig
    discriminator: Annotated[
        ViTConfig | ResNetConfig | ProjectedConfig, Field(discriminator="kind")
    ]
    features: FeaturesConfig
    training: TrainingConfig
    metrics: MetricsConfig
    run: RunSettings

    @model_validator(mode="before")
    @classmethod
    def _resnet_unless_named(cls, values: Any) -> Any:
        section = values.get("discriminator") if isinstance(values, dict) else None
        if isinstance(section, dict) and "kind" not in section:
            values = {**values, "discriminator": {"kind": "resnet", **section}}
        return values

    @rule("generator.channel_base", "data.resolution")
    def _generator_has_a_channel(self) -> None:
        self._a_channel_is_left("generator", self.generator.channel_base)

    @rule("discriminator.channel_base", "data.resolution")
    def _discriminator_has_a_channel(self) -> None:
        if isinstance(self.discriminator, ResNetConfig):
            self._a_channel_is_left("discriminator", self.discriminator.channel_base)

    def _a_channel_is_left(self, section: str, channel_base: int) -> None:
        side = self.data.resolution.nominal_side
        if channel_base < side:
            raise ValueError(
                f"{section}.channel_base is {channel_base}, but must be at least {side}, so that one channel is left at"
                f" data.resolution ({self.data.resolution.plain}). Use {16 * side}."
            )

    @rule("discriminator.patch", "data.resolution")
    def _patch_divides_resolution(self) -> None:
        if isinstance(self.discriminator, ViTConfig):
            self.discriminator.patch.check_fills(
                self.data.resolution, named="discriminator.patch", of="data.resolution"
            )

    @rule("training.init_discriminator", "discriminator.kind")
    def _trunk_is_of_a_vit(self) -> None:
        trunk, kind = self.training.init_discriminator, self.discriminator.kind
        if trunk is not None and kind != "vit":
            raise ValueError(
                f"training.init_discriminator is {trunk!r}, the trunk of a ViT, but discriminator.kind is {kind}. Use"
                " --discriminator vit, or leave --init-discriminator out."
            )

    @rule("training.init_discriminator", "discriminator.kind")
    def _published_weights_fit(self) -> None:
        trunk, kind = self.training.init_discriminator, self.discriminator.kind
        if trunk is None or not is_of_library(trunk) or kind != "vit":
            return
        wanted = misfits(
            {key: self.given(f"discriminator.{key}") for key in ViTConfig.model_fields}
        )
        if wanted:
            found = ", ".join(
                f"discriminator.{key} is {self.given(f'discriminator.{key}')} (there {value})"
                for key, value in wanted.items()
            )
            settings = " ".join(f"--set discriminator.{k}={v}" for k, v in wanted.items())
            raise ValueError(
                f"training.init_discriminator is {trunk!r}, whose weights do not fit: {found}. Use"
                f" {settings}, or leave these out, which chooses them so."
            )

    @rule("discriminator.minibatch_std_group", "training.batch", "training.microbatch")
    def _groups_of_the_discriminator_divide_a_microbatch(self) -> None:
        key = "discriminator.minibatch_std_group"
        self.training.check_group(key, self.given(key))

    @rule("features.minibatch_std_group", "training.batch", "training.microbatch")
    def _groups_of_the_critic_divide_a_microbatch(self) -> None:
        if self.features.network is not None:
            key = "features.minibatch_std_group"
            self.training.check_group(key, self.features.minibatch_std_group)

    @rule("training.masked_patch_weight", "discriminator.kind")
    def _patches_are_those_of_a_vit(self) -> None:
        weight, kind = self.training.masked_patch_weight, self.discriminator.kind
        if weight and kind != "vit":
            raise ValueError(
                f"training.masked_patch_weight is {weight:g}, but discriminator.kind is {kind}, which has no"
                " patches. Use --discriminator vit, or leave it out."
            )

    @rule("features.network", "discriminator.kind")
    def _projected_sees_through_a_network(self) -> None:
        if self.discriminator.kind == "projected" and self.features.network is None:
            raise ValueError(
                "discriminator.kind is projected, which sees images through a network trained on others,"
                " but features.network names none. Name one, such as --features"
                " torchvision:efficientnet_b0, or use --discriminator resnet."
            )

    @rule("features.p", "augment.preset")
    def _diffaug_is_always_on_for_the_critic_too(self) -> None:
        if self.features.p not in (None, 1) and self.given("augment.preset") == DIFFAUG:
            raise ValueError(
                f"features.p is {self.features.p:g}, but augment.preset is {DIFFAUG}, which is always on. Leave"
                " features.p out, or use another --augment."
            )

    @rule("discriminator.kind", "training.r1_gamma", "training.r2_gamma")
    def _projected_is_differentiated_once(self) -> None:
        training, remedies = self.training, []
        if training.penalty == "exact" and (training.r1_gamma or training.r2_gamma):
            remedies.append("Use training.penalty=approximate, or leave out r1_gamma and r2_gamma.")
        if training.gradient_penalty:  # which is always exact
            remedies.append("Set training.gradient_penalty to 0.")
        if self.discriminator.kind == "projected" and remedies:
            raise ValueError(
                "discriminator.kind is projected, but a gradient penalty differentiates it twice, which the"
                f" networks of --features need not allow. {' '.join(remedies)}"
            )

    @rule("features", "discriminator.kind", "training.freeze_d")
    def _projected_has_what_every_discriminator_has(self) -> None:
        if self.discriminator.kind != "projected":
            return
        default = FeaturesConfig.model_fields
        use = {"p": ", and use --p instead", "loss": ", and use --set training.loss instead"}
        for name in ("p", "weight", "loss", "vanishes_at", "interval", "start_kimg"):
            value, unset = getattr(self.features, name), default[name].default
            if value != unset:
                raise ValueError(
                    f"features.{name} is {value}, a setting of a critic beside a discriminator, but"
                    " discriminator.kind is projected. Leave it out, or where a preset gives it set it to"
                    f" {'null' if unset is None else unset}{use.get(name, '')}."
                )
        if self.training.freeze_d:
            raise ValueError(
                f"training.freeze_d is {self.training.freeze_d}, but discriminator.kind is projected,"
                " whose network is frozen already. Leave --freeze-d out."
            )

    @rule("training.distill_weight", "discriminator.kind")
    def _tokens_are_those_of_a_vit(self) -> None:
        weight, kind = self.training.distill_weight, self.discriminator.kind
        if weight and kind != "vit":
            raise ValueError(
                f"training.distill_weight is {weight:g}, but discriminator.kind is {kind}, which has"
                " no tokens. Use --discriminator vit, or leave it out."
            )

    @property
    def _has_chain(self) -> bool:
        network = self.discriminator
        return isinstance(network, ResNetConfig) and network.normalization == "chain"

    @rule("discriminator.normalization", "training.loss")
    def _chain_sees_a_threshold(self) -> None:
        if self._has_chain and not self.training.has_threshold:
            raise ValueError(
                "discriminator.normalization is chain, which is steered by the sign of the logits, but"
                f" training.loss is {self.training.loss}, which leaves their level free. Use non_saturating or"
                " hinge, or leave discriminator.normalization out."
            )

    @property
    def has_lasting_passes(self) -> bool:
        """Whether the passes of a step are the same operations at all times, so that a program can be made of them."""
        return not (self.training.top_k or self.augment.extra)

    @rule("augment.extra", "training.compile")
    def _operations_of_others_are_not_compiled(self) -> None:
        if self.augment.extra and self.training.compile:
            raise ValueError(
                f"augment.extra names {self.augment.extra[0].operation}, which draws numbers of its own in each step,"
                " but training.compile is on, and what is compiled draws none. Leave one of the two out."
            )

    def as_dict(self) -> dict[str, Any]:
        """Sections as plain values for YAML and JSON; the inverse of `model_validate`."""
        return self.model_dump(mode="json", warnings=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle, which finds no section by its name."""
        return type(self).model_validate, (self.as_dict(),)


class RunConfig(_WholeConfig):
    """What a user may write of a run; what is left open holds the word "auto"."""

    data: Writable[DataConfig] = writable(DataConfig)()
    augment: Writable[AugmentConfig] = writable(AugmentConfig)()
    generator: Writable[GeneratorConfig] = writable(GeneratorConfig)()
    discriminator: Annotated[
        Writable[ViTConfig] | Writable[ResNetConfig] | Writable[ProjectedConfig],
        Field(discriminator="kind"),
    ] = writable(ResNetConfig)()
    features: Writable[FeaturesConfig] = writable(FeaturesConfig)()
    training: Writable[TrainingConfig] = writable(TrainingConfig)()
    metrics: Writable[MetricsConfig] = writable(MetricsConfig)()
    run: Writable[RunSettings] = writable(RunSettings)()


class ResolvedConfig(_WholeConfig):
    """What a run holds: all that decides it. Nothing is left open."""

    @property
    def images_of_a_deviation(self) -> int:
        """Over how many images what judges them takes a standard deviation, or 1."""
        judges = (
            self.features if isinstance(self.discriminator, ProjectedConfig) else self.discriminator
        )
        return max(1, judges.minibatch_std_group)
