"""Networks with every size given: those of the modules have no defaults, which belong to the configuration."""

from typing import Any

from adavit.models import Generator, ResNetDiscriminator, ViTDiscriminator
from adavit.models.vit.encoder import VisionEncoder

IMAGES: dict[str, Any] = {"image_channels": 3, "num_classes": 0}
GENERATOR: dict[str, Any] = {
    **IMAGES,
    "latent_dim": 512,
    "style_dim": 512,
    "mapping_layers": 2,
    "mapping_lr_multiplier": 0.01,
    "channel_base": 16384,
    "channel_max": 512,
    "noise": "learned",
}
RESNET: dict[str, Any] = {
    **IMAGES,
    "form": "residual",
    "channel_base": 16384,
    "channel_max": 512,
    "minibatch_std_group": 4,
    "normalization": "none",
    "label_layers": 2,
}
PARTS: dict[str, Any] = {
    "position_embedding": "learned1d",
    "attention": "qknorm",
    "registers": 0,
    "patch_drop": 0.0,
}
VIT: dict[str, Any] = {
    **IMAGES,
    **PARTS,
    "patch": 4,
    "width": 192,
    "depth": 3,
    "heads": 3,
    "mlp_ratio": 4.0,
    "layer_scale": 0.1,
    "stem": "overlap",
    "readout": "cls",
    "weight_constraint": "none",
    "minibatch_std_group": 0,
}


def make_generator(**changes: Any) -> Generator:
    """A generator; a resolution is needed."""
    return Generator(**{**GENERATOR, **changes})


def make_resnet(**changes: Any) -> ResNetDiscriminator:
    """A convolutional discriminator; a resolution is needed."""
    return ResNetDiscriminator(**{**RESNET, **changes})


def make_vit(**changes: Any) -> ViTDiscriminator:
    """A ViT discriminator; a resolution is needed."""
    return ViTDiscriminator(**{**VIT, **changes})


def make_encoder(**changes: Any) -> VisionEncoder:
    """A ViT encoder; its sizes are needed."""
    return VisionEncoder(**{**PARTS, "stem": "linear", "class_tokens": 1, **changes})
