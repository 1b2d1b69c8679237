"""What is no regularizer: pseudo augmentation, top-k, style mixing, frozen layers, schedules."""

import math

import pytest
import torch

from adavit.augment import AdaptiveProbability
from adavit.errors import UserError
from adavit.models import Generator, ResNetDiscriminator, ViTDiscriminator
from adavit.training.objectives.losses import TopK
from adavit.training.objectives.schedules import Cosine
from adavit.training.passes.generated import StyleMixing
from adavit.training.passes.pseudo_augmentation import PseudoAugmentation
from adavit.training.passes.streams import StepStreams
from adavit.training.start.freeze import freeze_lower_layers, lower_layers
from tests.adavit.training.objectives.test_regularizers import COUNT, make_step, reals, run


def pseudo(p: float) -> PseudoAugmentation:
    return PseudoAugmentation(AdaptiveProbability(initial=p, p_max=1.0, speed_kimg=0.1))


def test_pseudo_augmentation_replaces_the_part_that_p_says() -> None:
    generator = Generator(resolution=8, latent_dim=6, style_dim=6, channel_base=64, channel_max=8)
    real = reals().repeat(100, 1, 1, 1)
    mixed, is_real = pseudo(0.3)(real, None, generator, StepStreams.at(0, 0))
    assert not mixed.requires_grad
    assert torch.equal(mixed[is_real], real[is_real])
    assert (mixed[~is_real] != real[~is_real]).flatten(1).any(dim=1).all()
    assert abs(is_real.float().mean() - 0.7) < 0.08  # 4 standard deviations of 600 draws
    untouched, is_real = pseudo(0.0)(real, None, generator, StepStreams.at(0, 0))
    assert untouched is real
    assert is_real.all()


def test_pseudo_images_are_judged_as_real_but_do_not_count_as_training_images() -> None:
    step = make_step(pseudo=pseudo(1.0))
    result = run(step)
    assert len(result.train_logits) == 0
    assert result.finite
    step = make_step(pseudo=pseudo(0.5))
    assert 0 < len(run(step).train_logits) < COUNT


def test_pseudo_images_in_bfloat16_leave_the_gradients_whole() -> None:
    # What autocast has cast without gradients must not be taken for weights later in the step.
    step = make_step(pseudo=pseudo(0.5), autocast=torch.bfloat16)
    run(step)
    used = [p for name, p in step.generator.named_parameters() if "weight" in name]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in used)


def test_the_part_of_pseudo_images_follows_the_rule_of_ada() -> None:
    apa = pseudo(0.0)
    for _ in range(4):  # one interval of four batches of 5 images: 20 / 100
        apa.update(torch.ones(5), torch.zeros(5), 5)
    assert apa.probability.p == pytest.approx(0.2)


def test_top_k_keeps_the_best_and_fewer_with_each_epoch() -> None:
    top = TopK(0.5, epoch_images=100)
    logits, losses = torch.tensor([3.0, -1, 2, 0]), torch.tensor([10.0, 11, 12, 13])
    assert top(losses, logits, 0).tolist() == [10, 12, 13, 11]
    assert top(losses, logits, 100 * 69).sum() == 10 + 12  # 0.99^69 is just below 0.5
    counts = [top.count(100, 100 * epoch) for epoch in (0, 1, 2, 20, 68, 69, 1000)]
    assert counts == [100, 99, 99, 82, 51, 50, 50]
    assert TopK(0.01, 1).count(4, 10**6) == 1


def test_style_mixing_takes_later_layers_from_second_latents() -> None:
    torch.manual_seed(0)
    generator = Generator(resolution=16, latent_dim=6, style_dim=6, channel_base=64, channel_max=8)
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


def test_layers_of_a_discriminator_are_counted_from_the_image() -> None:
    resnet = ResNetDiscriminator(resolution=16, channel_base=64, channel_max=8)
    assert len(lower_layers(resnet)) == 3
    assert lower_layers(resnet)[0][0] is next(resnet.from_image.parameters())
    assert len(lower_layers(resnet)[2]) == len(list(resnet.blocks[1].parameters()))
    vit = ViTDiscriminator(resolution=8, patch=2, width=16, depth=3, heads=2)
    layers = lower_layers(vit)
    assert len(layers) == 4
    among = {id(parameter) for layer in layers for parameter in layer}
    judge = {
        name.removeprefix("encoder.") for name, p in vit.named_parameters() if id(p) not in among
    }
    assert judge == {"norm.weight", "norm.bias", "head.weight", "head.bias"}


@pytest.mark.parametrize("channel_max", [8, 16])
def test_a_layer_is_a_block_with_weights_whatever_its_number(channel_max: int) -> None:
    sizes = {"resolution": 16, "channel_base": 128, "channel_max": channel_max}
    network = ResNetDiscriminator(form="r3gan", **sizes)
    # With as many channels before as behind it, what halves the side has no weights.
    blocks = [list(block.parameters()) for block in network.blocks]
    expected = [list(network.from_image.parameters()), *filter(None, blocks)]
    found = lower_layers(network)
    assert [[id(p) for p in layer] for layer in found] == [
        [id(p) for p in layer] for layer in expected
    ]


def test_too_many_frozen_layers_are_an_error() -> None:
    vit = ViTDiscriminator(resolution=8, patch=2, width=16, depth=3, heads=2)
    with pytest.raises(UserError, match=r"training.freeze_d is 5, but .* has 4 layers"):
        freeze_lower_layers(vit, 5)


def test_a_cosine_goes_half_way_in_half_the_time_and_stays() -> None:
    schedule = Cosine(2.0, 1.0, 100)
    values = [schedule(images) for images in (0, 25, 50, 100, 700)]
    expected = [2.0, 1.5 + math.cos(math.pi / 4) / 2, 1.5, 1.0, 1.0]
    assert values == pytest.approx(expected, rel=1e-12)
    assert Cosine(0.3, 0.3, 7)(3) == 0.3
