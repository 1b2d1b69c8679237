"""The names of the feature extractors. No torch, so that help, completion and mistakes are quick."""

from adavit.errors import UserError

CLIP_NAMES = (
    *("clip-rn50", "clip-rn101", "clip-rn50x4", "clip-rn50x16", "clip-rn50x64"),
    *("clip-vit-b-32", "clip-vit-b-16", "clip-vit-l-14", "clip-vit-l-14-336px"),
)
DINOV2_NAMES = ("dinov2-vit-s-14", "dinov2-vit-b-14", "dinov2-vit-l-14", "dinov2-vit-g-14")
UNSAFE_NAMES = (*CLIP_NAMES, *DINOV2_NAMES)
"""Extractors whose weights cannot be read as mere tensors."""

WITH_INCEPTION = ("auto", "inception")
"""Extractors that have a use for a file of Inception's weights."""

ExtractorName = str
"""One of `EXTRACTORS`, with ARCH and FILE filled in."""

EXTRACTORS = (
    *WITH_INCEPTION,
    "random",
    "drawn",
    "vgg16[:FILE]",
    "lpips-vgg16",
    *CLIP_NAMES,
    *DINOV2_NAMES,
    "torchvision:ARCH:FILE",
)
"""Every extractor there is; brackets stand for what may be left out."""


def check_extractor(requested: ExtractorName) -> None:
    """Refuses what names no extractor.

    Args:
        requested: As the user writes it.

    Raises:
        UserError: If it is not one of `EXTRACTORS`.
    """
    name, colon, rest = requested.partition(":")
    plain = [each for each in EXTRACTORS if ":" not in each]
    with_file = name == "torchvision" or (name == "vgg16" and (rest or not colon))
    if requested not in plain and not with_file:
        raise UserError(
            f"extractor is '{requested}', but must be one of {', '.join(EXTRACTORS)}. Use one of these."
        )
    if name == "torchvision" and not all(rest.partition(":")[::2]):
        raise UserError(
            f"extractor is '{requested}', expected torchvision:ARCH:FILE. Write for example"
            " torchvision:resnet50:resnet50.pth."
        )
