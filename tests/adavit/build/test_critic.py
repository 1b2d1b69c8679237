import pytest

from adavit.build.critic import build_critic_on
from adavit.config.features import FeaturesConfig
from adavit.features.architectures import ARCHITECTURES
from adavit.features.mixing import ChannelMixing
from adavit.features.network import FrozenNetwork
from adavit.models.san import SanLayer


def network(side: int = 64) -> FrozenNetwork:
    taps = ARCHITECTURES["squeezenet1_1"].taps[:2]
    return FrozenNetwork("squeezenet1_1", side=side, taps=taps)


def test_a_critic_is_that_of_its_settings() -> None:
    features = FeaturesConfig(
        side=64, mixing="channels", width=5, normalization="batch", minibatch_std_group=2
    )
    critic = build_critic_on(network(), features, num_classes=3, san=False)
    assert isinstance(critic.mixing, ChannelMixing)
    assert len(critic.heads) == 2
    for head in critic.heads:
        assert head.layers[0].out_channels == 5
        assert head.norms[1].num_features == 5
        assert head.minibatch_std_group == 2
        assert len(head.readout.projection.embedding.weight) == 3


@pytest.mark.parametrize("san", [False, True])
def test_heads_end_in_the_last_layer_of_san_where_it_is_asked_for(san: bool) -> None:
    features = FeaturesConfig(side=64, mixing="none", normalization="none", minibatch_std_group=1)
    critic = build_critic_on(network(), features, num_classes=0, san=san)
    assert [isinstance(head.readout, SanLayer) for head in critic.heads] == [san, san]


def test_maps_that_are_too_small_are_refused() -> None:
    features = FeaturesConfig(side=32, mixing="none", normalization="none", minibatch_std_group=4)
    with pytest.raises(ValueError, match=r"features\.side"):
        build_critic_on(network(side=32), features, num_classes=0, san=False)
