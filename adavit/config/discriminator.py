"""The settings of the discriminators, a section of `adavit.config.run`."""

from typing import Literal

from pydantic import Field

from adavit.config.section import MOST, ConfigModel, ImagePatch, auto, rule
from adavit.models.limits import LARGEST_WIDTH, MOST_LAYERS
from adavit.models.names import (
    AttentionKind,
    Normalization,
    PositionEmbedding,
    ReadoutKind,
    ResNetForm,
    Stem,
    WeightConstraint,
    check_parts,
)


class ResNetConfig(ConfigModel):
    """A convolutional discriminator."""

    kind: Literal["resnet"] = "resnet"
    form: ResNetForm = auto()
    """Which blocks. residual, plain: StyleGAN2's; r3gan: R3GAN's blocks, without equalised learning rate, so auto's
    training.discriminator_lr is its paper's 0.0002, on a CPU 0.002. StyleGAN2 is best with residual, on
    CIFAR-10 StyleGAN2-ADA takes plain. auto: residual, or that of a network that training.transfer names as a file."""
    channel_base: int = auto(ge=1, le=MOST)
    """Channels at resolution r are min(channel_base / r, channel_max). auto: 16384, from 512 px on 32768; on a
    CPU 16 times the 4 * 2^k that doubles as often as the sides (2048 at 128 and 192 px)."""
    channel_max: int = auto(ge=1, le=LARGEST_WIDTH)
    """Most channels at any resolution. auto: 512, on a CPU 64."""
    minibatch_std_group: int = auto(ge=0, le=MOST)
    """Images over which the standard deviation is taken; 0 leaves it out. auto: 4, or the most below that
    divides the microbatch; for r3gan 0."""
    normalization: Normalization = Field("none")
    """Of what the convolutions give. chain: CHAIN (arXiv:2404.00521), for images that augmentation would spoil, as
    pixel art and text: weights of a fixed spectral norm, and channels scaled down with a probability that follows
    overfitting, see training.chain_weight. It goes with any augmentation, none too."""
    label_layers: int | None = Field(None, ge=0, le=MOST_LAYERS)
    """Dense layers from the vector of a class to what images are compared with; published networks have 8. None: 2, or
    as many as in a network that training.transfer names as a file."""

    @rule("form", "normalization")
    def _form_can_be_normalised(self) -> None:
        if self.normalization == "chain" and self.form == "r3gan":
            raise ValueError(
                "discriminator.normalization is chain, but discriminator.form is r3gan, whose blocks start at"
                " weights of 0, which have no spectral norm to divide by. Use residual or plain, or leave"
                " discriminator.normalization out."
            )


class ViTConfig(ConfigModel):
    """A vision transformer encoder as the discriminator."""

    kind: Literal["vit"] = "vit"
    patch: ImagePatch = auto()
    """Side of a square patch in pixels, or height x width as 3x5; divides the resolution. HxW gives oblong images a
    grid of patches of another shape: of 24x40 px 3x5 makes 8x8 patches, 4 makes 6x10. auto: an eighth of
    the 4 * 2^k that doubles as often as the sides (16 px at 128 and 192 px), from 128 px on an accelerator half."""
    width: int = auto(ge=8, le=LARGEST_WIDTH)
    """Dimensions of a token; a multiple of heads. auto: 384, on a CPU 192; from torchvision's weights 768."""
    depth: int = auto(ge=1, le=MOST_LAYERS)
    """Encoder blocks. auto: 6, on a CPU 3; from torchvision's weights 12, of which fewer are the lowest."""
    heads: int = auto(ge=1, le=MOST)
    """Attention heads. auto: width / 64, on a CPU width / 32; from torchvision's weights 12."""
    mlp_ratio: float = auto(gt=0, le=64)
    """Hidden width of the MLP per token dimension. auto: 4, on a CPU 2; from torchvision's weights 4."""
    layer_scale: float = Field(0.1, gt=0)
    """Initial factor of each residual branch. CaiT (arXiv:2103.17239) takes 0.1 up to 18 blocks."""
    stem: Stem = auto()
    """Images to tokens. overlap: patches of twice the side (ViTGAN); linear: flattened patches, as in the ViT
    paper; conv: stacked convolutions; hybrid: a small ResNet; spt: shifted copies too. Three of them compared:
    benchmarks/results/stems_2000_images.md. auto: overlap, from torchvision's weights linear."""
    position_embedding: PositionEmbedding = Field("learned1d")
    """How a token knows its place. learned1d: as in the ViT paper; learned2d: rows and columns; sincos2d:
    fixed waves; relative: a bias on offsets; rope2d: rotated queries and keys; none."""
    attention: AttentionKind = auto()
    """How tokens look at each other. qknorm: normalised queries and keys, whose logits are bounded; dot: as
    they are; l2: distances (ViTGAN); lsa: learned temperature, no token sees itself; axial: qknorm along
    rows, then columns. auto: qknorm, from torchvision's weights dot."""
    readout: ReadoutKind = Field("cls")
    """What is judged. cls: the class token, as in the ViT paper; gap: the mean of the patches; cls+gap;
    tokens: each patch, then the mean."""
    weight_constraint: WeightConstraint = Field("none")
    """What bounds the weights. sn: spectral norm 1; isn: the spectral norm of the start (ViTGAN); none:
    nothing, since R1 is there already."""
    registers: int = Field(0, ge=0, le=LARGEST_WIDTH)
    """Tokens beside the patches that are not judged; 4 for cleaner attention maps (Darcet et al.)."""
    patch_drop: float = Field(0.0, ge=0, lt=1)
    """Part of the patches that a training pass leaves out. 0: none, as published discriminators do."""
    minibatch_std_group: int = auto(ge=0, le=MOST)
    """Images over which the standard deviation is taken; 0 leaves it out. auto: 0, on a CPU 4, or the most
    below that divides the microbatch."""

    @rule("width", "heads")
    def _heads_divide_the_width(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"discriminator.width is {self.width}, but must be a multiple of"
                f" discriminator.heads ({self.heads}). Change one of them."
            )

    @rule("patch", "width", "heads")
    def _parts_go_together(self) -> None:
        try:
            check_parts(
                # What is chosen where they are open goes with everything, as these do.
                stem=self.given("stem") or "linear",
                position_embedding=self.position_embedding,
                attention=self.given("attention") or "dot",
                patch=self.patch,
                width=self.width,
                heads=self.heads,
                patch_drop=self.patch_drop,
            )
        except ValueError as error:
            raise ValueError(f"discriminator.{error}") from None


class ProjectedConfig(ConfigModel):
    """The heads of the critic on the features of a frozen network, alone: its settings are those of `features`."""

    kind: Literal["projected"] = "projected"


DiscriminatorConfig = ViTConfig | ResNetConfig | ProjectedConfig
"""The settings of any discriminator."""

DISCRIMINATORS: dict[str, type[DiscriminatorConfig]] = {
    "resnet": ResNetConfig,
    "vit": ViTConfig,
    "projected": ProjectedConfig,
}
"""By the value of `discriminator.kind`."""
