"""Style mixing."""

import torch

from adavit.training.passes.generated import StyleMixing
from adavit.training.passes.streams import StepStreams
from tests.networks import make_generator


def test_style_mixing_takes_later_layers_from_second_latents() -> None:
    torch.manual_seed(0)
    generator = make_generator(
        resolution=16, latent_dim=6, style_dim=6, channel_base=64, channel_max=8
    )
    w = generator.mapping(torch.randn(400, 6))
    stream = StepStreams.at(0, 0).of("style mixing")
    mixed = StyleMixing(0.75)(generator, w, None, stream)
    own = (mixed == w[:, None]).all(dim=2)
    assert own[:, 0].all()
    assert (own.int().diff(dim=1) <= 0).all()  # once left, the first style does not come back
    # All layers own in a quarter: 4 standard deviations of 400 draws.
    assert abs(own.all(dim=1).float().mean() - 0.25) < 0.09
    firsts = own.sum(dim=1)
    assert set(firsts.tolist()) == set(range(1, generator.synthesis.style_count + 1))
