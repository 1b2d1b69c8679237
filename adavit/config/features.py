"""The section `features` of a run's configuration: a critic that sees images through a frozen network."""

from typing import Literal

from pydantic import Field

from adavit.config.section import MOST, ConfigModel, auto, rule
from adavit.features.architectures import ARCHITECTURES
from adavit.features.names import FEATURES, check_network_name, parted
from adavit.models.limits import LARGEST_WIDTH


class FeaturesConfig(ConfigModel):
    """A critic on the features of a frozen network, beside the discriminator or as all of it."""

    network: str | None = Field(None)
    """Frozen network of a critic, beside the discriminator or, where that is projected, all of it: torchvision:NAME or
    timm:NAME (needs adavit[timm]), whose published weights are downloaded, or with :FILE behind it, a state dict or
    safetensors. Figures in related features flatter what it teaches. None: no such critic."""
    side: int = auto(ge=16, le=1024)
    """Side in pixels of the images that the network sees. auto: 64, from 128 px on 128, from 256 px on 224; for a
    transformer the next multiple of its patches, four or more a side."""
    maps: int = Field(2, ge=1, le=8)
    """Maps of features that are judged, from the finest on; of a transformer after blocks that are evenly spread."""
    class_token: bool = Field(True)
    """Whether the class token of a transformer is judged too, by a head of its own (vision-aided GAN,
    arXiv:2112.09130). Other networks have none."""
    mixing: Literal["none", "channels", "scales"] = auto()
    """Random mixing of the maps before they are judged. none: the heads' first layer learns it; channels, scales:
    frozen, within each map, or across them too (Projected GAN, arXiv:2111.01007). auto: none, for projected
    channels."""
    width: int = Field(64, ge=1, le=LARGEST_WIDTH)
    """Channels within the heads."""
    normalization: Literal["none", "batch"] = auto()
    """Within the heads on maps. batch: each pass by its own mean and variance; a microbatch is one. auto: none, for
    projected batch."""
    minibatch_std_group: int = auto(ge=0, le=MOST)
    """Images over which heads on maps take the standard deviation, which tells when all are alike; 0 leaves it out.
    What was tried: benchmarks/results/feature_critic.md. auto: 4, or the most below that divides the
    microbatch; 0 for projected."""
    weight: float = Field(0.1, ge=0, le=MOST)
    """Factor on its part of the generator's loss, the mean over its heads."""
    vanishes_at: float | None = Field(None, gt=0, le=1)
    """Probability of the discriminator's augmentation at which the generator no longer follows it: the weight falls
    linearly from p = 0 on. None: it stays."""
    interval: int = Field(1, ge=1, le=MOST)
    """Steps from one that it takes part in to the next; its losses are multiplied by it, as those of R1."""
    start_kimg: float = Field(0.0, ge=0, le=1e9)
    """Thousands of images before it takes part."""
    loss: Literal["non_saturating", "hinge"] = Field("non_saturating")
    """What the heads and the generator play for, at every place of an image."""
    p: float | None = Field(None, ge=0, le=1)
    """Probability of the augmentation of what it sees. None: exactly what the discriminator sees."""
    mean: tuple[float, float, float] | None = Field(None)
    """Red, green and blue that are 0 to the network, in [0, 1]. None: what its published weights were trained with."""
    std: tuple[float, float, float] | None = Field(None)
    """What is 1 to it; a network that takes bytes has 1 / 255 = 0.0039216 of each. None: as for mean."""

    seen: tuple[str, ...] = Field(())
    """Networks trained on other images that the discriminator has seen through, or a generator was tuned through, and
    sha256 of their weights; those of the run it started from too. Filled in by the run: figures in related features
    flatter it."""

    @rule("network")
    def _network_is_known(self) -> None:
        if self.network is not None:
            check_network_name("features.network", self.network, otherwise=FEATURES.otherwise)

    @rule("network", "side", "maps")
    def _network_has_the_maps(self) -> None:
        library, name, _ = parted(self.network or "")
        known = ARCHITECTURES.get(name) if library == "torchvision" else None
        if known is not None:
            known.wanted(name, self.side, self.maps)

    @rule("std")
    def _deviations_are_positive(self) -> None:
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(
                f"features.std is {', '.join(f'{each:g}' for each in self.std)}, but each must be"
                " above 0. Give the three that the network was trained with."
            )
