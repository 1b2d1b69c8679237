"""The names of the feature extractors. No torch, so that help and completion are quick."""

CLIP_NAMES = (
    *("clip-rn50", "clip-rn101", "clip-rn50x4", "clip-rn50x16", "clip-rn50x64"),
    *("clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14", "clip-vit-l-14-336px"),
)
DINOV2_NAMES = ("dinov2-vit-s-14", "dinov2-vit-b-14", "dinov2-vit-l-14", "dinov2-vit-g-14")
UNSAFE_NAMES = (*CLIP_NAMES, *DINOV2_NAMES)
"""Extractors whose weights cannot be read as mere tensors."""

ExtractorName = str
"""One of `EXTRACTORS`, with ARCH and FILE filled in."""

EXTRACTORS = (
    "auto",
    "inception",
    "random",
    "vgg16[:FILE]",
    "lpips-vgg16",
    *CLIP_NAMES,
    *DINOV2_NAMES,
    "torchvision:ARCH:FILE",
)
"""Every extractor there is; brackets stand for what may be left out."""
