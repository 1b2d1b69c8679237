"""Which figures a discriminator flatters that has seen through a network trained on other images.

Such a discriminator teaches its generator what that network sees. A distance in the features of a related network falls
then faster than the pictures improve: with ImageNet features in the discriminator FID reaches that of StyleGAN2 while
people find the pictures worse (Kynkaanniemi et al. 2023, "The Role of ImageNet Classes in Frechet Inception Distance",
arXiv:2203.06026).

What a file of weights was trained on cannot be told from its name, so doubt counts as kinship. No torch, so that
records are read quickly.
"""

from collections.abc import Mapping, Sequence
from typing import Any

IMAGENET, CLIP, DINOV2, DRAWINGS, NOTHING = "ImageNet", "CLIP", "DINOv2", "small_set", "nothing"
"""What feature extractors learned from. Nothing: their weights are random, and related to no network."""

LEARNED_FROM: dict[str, tuple[str, ...]] = {
    "torchvision": (IMAGENET,),
    "timm": (IMAGENET, CLIP, DINOV2),
    "lpips-vgg16": (IMAGENET,),
}
"""What networks that a discriminator sees through may have learned from, by their library; of another one anything."""

UNKNOWN = "unknown"
"""Stands for the networks where nobody has recorded them: images without a generator of ours."""

MARK = "pretrained features"
"""What a run is called whose discriminator has seen through such a network."""

UNKNOWN_MARK = "unknown discriminator"
"""What images are called of which no record says what their discriminator saw."""


MOST_NAMED = 3
"""So many networks are named in a legend."""


def related(seen: Sequence[str], learned_from: object) -> list[str]:
    """Those of the networks that are related to a feature extractor.

    Args:
        seen: Networks that a discriminator has seen through, as "torchvision:resnet18 0123...".
        learned_from: What the extractor learned from, as its `FeatureExtractor.learned_from`; anything
            else counts as related to all.
    """
    if learned_from == NOTHING:
        return []
    known = (IMAGENET, CLIP, DINOV2, DRAWINGS)
    return [
        network
        for network in seen
        if learned_from not in known or learned_from in LEARNED_FROM.get(library_of(network), known)
    ]


def networks_of(protocol: Mapping[str, Any]) -> list[str]:
    """The networks that the discriminator of a record saw through; empty if none, or not recorded."""
    seen = protocol.get("discriminator_saw")
    return [str(network) for network in seen] if isinstance(seen, list) else []


def flattered_by(protocol: Mapping[str, Any]) -> list[str]:
    """The networks that flatter the figures of a record; empty if none does."""
    return related(networks_of(protocol), protocol.get("extractor_learned_from"))


def mark_of(protocol: Mapping[str, Any]) -> str:
    """What is said of the discriminator beside the name of a run: `MARK`, `UNKNOWN_MARK`, or nothing.

    Nothing is unknown of a figure that no network flatters.
    """
    if networks_of(protocol):
        return MARK
    unknown = protocol.get("discriminator_saw") == UNKNOWN
    return UNKNOWN_MARK if unknown and protocol.get("extractor_learned_from") != NOTHING else ""


def legend(seen: Sequence[str]) -> str:
    """What `MARK` means, for people.

    Args:
        seen: Networks of all marked runs; each is named once, with the first digits of its digest, and of many
            the first.
    """
    names = list(dict.fromkeys(short_network(network) for network in seen))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return (
        f"{MARK}: training saw images through a network trained on other images"
        f" ({', '.join(names[:MOST_NAMED])}{more}). That makes fid, kid and all figures in related features look better"
        " than the pictures are (arXiv:2203.06026); judge by fd_random and by eye."
    )


UNKNOWN_LEGEND = (
    f"{UNKNOWN_MARK}: no record says what judged these images; if it was a pretrained network, their fid and kid"
    " look better than they are."
)
"""What `UNKNOWN_MARK` means, for people."""


def short_network(network: str) -> str:
    """A network with the first digits of its digest: "torchvision:resnet18 01234567"."""
    name, _, digest = network.partition(" ")
    return f"{name} {digest[:8]}".strip()


def library_of(network: str) -> str:
    """Where a network is from: "torchvision" of "torchvision:resnet18 0123...", else its name."""
    return network.partition(" ")[0].partition(":")[0]
