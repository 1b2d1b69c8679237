"""The critic on a frozen network that a configuration describes."""

from adavit.config.features import FeaturesConfig
from adavit.features.critic import FeatureCritic
from adavit.features.network import FrozenNetwork
from adavit.models.san import slice_last_layers


def build_critic_on(
    network: FrozenNetwork, features: FeaturesConfig, *, num_classes: int, san: bool
) -> FeatureCritic:
    """Heads on the maps of a network, drawn from torch's own stream.

    Args:
        network: Frozen.
        features: Of a run.
        num_classes: Classes that the heads are told, 0 for none.
        san: Whether the heads end in the last layer of SAN.

    Raises:
        ValueError: If a map is smaller than a head can judge.
    """
    critic = FeatureCritic(
        network,
        mixing=features.mixing,
        width=features.width,
        normalization=features.normalization,
        minibatch_std_group=features.minibatch_std_group,
        num_classes=num_classes,
    )
    if san:
        slice_last_layers(critic)
    return critic
